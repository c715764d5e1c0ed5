// A link to a table that is folded away opens it.
"use strict";

(function () {
  function open() {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const around = target && target.closest("details.folded");
    if (around && !around.open) {
      around.open = true;
      target.scrollIntoView();
    }
  }

  window.addEventListener("hashchange", open);
  document.addEventListener("DOMContentLoaded", open);
})();
