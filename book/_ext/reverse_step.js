// A list of reverse steps (synthgap/exhibits/slider.py) becomes a slider: everything it shows is read off the list.
"use strict";

(function () {
  const START = 50; // reverse step shown first

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    element.append(...children);
    return element;
  }

  function picture(image, title) {
    return make("figure", {}, make("figcaption", {}, title), image.cloneNode());
  }

  function prepare(box, number) {
    const items = Array.from(box.querySelectorAll(".reverse-steps > li"));
    if (items.length < 2) return;
    const steps = items.map((item) => Number(item.dataset.step));
    const id = `reverse-step-${number}`;
    const input = make("input", { type: "range", id, min: 0, max: items.length - 1, step: 1 });
    const output = make("output", { for: id, "aria-live": "polite" });
    const real = picture(items[0].querySelector("img"), "real images");
    const shown = picture(items[0].querySelector("img"), "the same images at the reverse step below");
    const ends = make("div", { class: "ends", "aria-hidden": "true" });
    ends.append(make("span", {}, `${steps[0]} (real)`), make("span", {}, `${steps[steps.length - 1]} (synthetic)`));
    const label = make("label", { for: id }, "Reverse step (drag, or use the arrow keys)");
    box.prepend(make("div", { class: "live" }, real, shown, label, input, ends, output));

    function show() {
      const item = items[Number(input.value)];
      const step = Number(item.dataset.step);
      const image = item.querySelector("img");
      shown.querySelector("img").src = image.src;
      shown.querySelector("img").alt = image.alt;
      input.setAttribute("aria-valuetext", `${step}`);
      output.textContent = item.querySelector("p").textContent;
      box.querySelectorAll("svg").forEach((svg) => {
        const left = Number(svg.dataset.left);
        const x = left + (step / 100) * (Number(svg.dataset.right) - left);
        const cursor = svg.querySelector(".cursor");
        cursor.setAttribute("x1", x);
        cursor.setAttribute("x2", x);
      });
    }

    const nearest = steps.reduce((best, s, i) => (Math.abs(s - START) < Math.abs(steps[best] - START) ? i : best), 0);
    input.value = nearest;
    input.addEventListener("input", show);
    box.classList.add("is-live");
    show();
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".reverse-step").forEach(prepare));
})();
