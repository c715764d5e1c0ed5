// What a page looks like now, as plain data; `visits.py` runs this in the browser.
"use strict";

const article = document.querySelector("article") || document.querySelector(".whole");
const all = Array.from(article.querySelectorAll("*"));
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const known = new Map();
const behind = new Map();

function rgba(colour) { // whatever way a style writes it
  if (!known.has(colour)) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    known.set(colour, [r, g, b, a / 255]);
  }
  return known.get(colour);
}

const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));

function background(element) {
  if (!element) return [255, 255, 255];
  if (!behind.has(element)) {
    const own = rgba(getComputedStyle(element).backgroundColor);
    behind.set(element, own[3] === 1 ? own.slice(0, 3) : over(own, background(element.parentElement)));
  }
  return behind.get(element);
}

function luminance(colour) { // relative, WCAG 2
  const [r, g, b] = colour.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(element) {
  const below = background(element);
  const [a, b] = [luminance(over(rgba(getComputedStyle(element).color), below)), luminance(below)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

const describe = (e) => `${e.tagName.toLowerCase()}.${e.className}: ${e.textContent.trim().slice(0, 40)}`;
const ownText = (e) => Array.from(e.childNodes).some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim() !== "");
const invisible = "mjx-container, script, style, .headerlink, .visually-hidden"; // MathJax draws in the text's colour
const written = all.filter((e) => ownText(e) && e.checkVisibility() && !e.closest(invisible));

// beyond the page's right border, and in nothing that scrolls there
function lost(element, border) {
  if (element.closest("mjx-assistive-mml, svg") || !element.checkVisibility()) return false;
  if (element.getBoundingClientRect().right <= border + 1) return false;
  for (let e = element.parentElement; e && e !== document.body; e = e.parentElement) {
    if (["auto", "scroll"].includes(getComputedStyle(e).overflowX)) return lost(e, border);
  }
  return true;
}

const width = document.documentElement.clientWidth;
return {
  title: document.title,
  headings: Array.from(article.querySelectorAll("h1"), (h) => h.firstChild.textContent.trim()),
  foot: document.querySelector(".extra_footer")?.textContent.trim() ?? "",
  height: document.documentElement.scrollHeight,
  overflow: document.documentElement.scrollWidth - width,
  lost: all.filter((e) => lost(e, width)).map(describe),
  images: Array.from(article.querySelectorAll("img"), (i) => {
    const box = i.getBoundingClientRect();
    return {
      inline: i.src.startsWith("data:"), shown: i.checkVisibility(), alt: i.alt, width: i.naturalWidth, height: i.naturalHeight,
      box: [box.x + scrollX, box.y + scrollY, box.width, box.height],
    };
  }),
  formulas: article.querySelectorAll(".math").length,
  rendered: article.querySelectorAll(".math mjx-container svg").length,
  faults: article.querySelectorAll("mjx-merror, [data-mml-node='merror']").length,
  raw: written.filter((e) => !e.closest("pre, code") && /\\[()[\]]|\$\$/.test(e.textContent)).map(describe),
  faint: written
    .map((e) => [contrast(e), e])
    .filter(([ratio]) => ratio < 4.5)
    .map(([ratio, e]) => `${describe(e)} (${ratio.toFixed(1)} of ${getComputedStyle(e).color})`),
  small: written.filter((e) => parseFloat(getComputedStyle(e).fontSize) < 10).map(describe),
};
