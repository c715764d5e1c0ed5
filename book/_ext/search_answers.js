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

// Words that every question has would hide the pages that answer it: all words of a query must be on a page.
document.addEventListener("DOMContentLoaded", function () {
  if (typeof Search === "undefined") return;
  const asking = new Set("a am an any are be can could did do does for get how i in is it many me much my need of on or our should the to use what when which why will with would you your".split(" "));
  const parse = Search._parseQuery;
  Search._parseQuery = function (query) {
    const words = query.split(/\s+/).filter((word) => !asking.has(word.toLowerCase().replace(/\W/g, "")));
    const parsed = parse(words.join(" ") || query);
    return [query.replace(/\?+\s*$/, ""), ...parsed.slice(1)];
  };
  // A question that is on the page of questions comes first; results are shown from the end of the list.
  const perform = Search._performSearch;
  const answered = (result) => result[0].endsWith("questions") && result[2];
  Search._performSearch = function (...asked) {
    const results = perform(...asked);
    return [...results.filter((result) => !answered(result)), ...results.filter(answered)];
  };
});
