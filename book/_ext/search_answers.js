// A page that was opened as a file may not read others: the search gets their texts from `searchTexts` instead.
"use strict";

(function () {
  if (location.protocol !== "file:") return;
  const root = new URL(document.documentElement.dataset.content_root, location.href).href;
  const ask = window.fetch;
  window.fetch = function (address, ...more) {
    const url = new URL(address, location.href).href;
    const name = url.startsWith(root) ? url.slice(root.length).replace(/\.html$/, "") : "";
    return Object.hasOwn(searchTexts, name) ? Promise.resolve(new Response(searchTexts[name])) : ask(address, ...more);
  };
})();
