// A list of steps (synthgap/exhibits/slider.py, film.py) becomes a slider: everything it shows is read off the list.
// Nothing moves by itself: what has a Play button stands still until it is pressed.
"use strict";

(function () {
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    element.append(...children);
    return element;
  }

  // show of `image` what `source` shows, or one of its rows: a window of that row's height slides over the picture
  function fill(image, source, row, rows) {
    ["src", "alt", "width", "height"].forEach((name) => image.setAttribute(name, source.getAttribute(name)));
    image.style.cssText = source.style.cssText;
    if (row < 0) return image;
    const height = (Number(source.getAttribute("height")) + 1) / rows - 1;
    image.style.aspectRatio = `${source.getAttribute("width")} / ${height}`;
    image.style.objectFit = "cover";
    image.style.objectPosition = `0 ${rows > 1 ? (100 * row) / (rows - 1) : 0}%`;
    return image;
  }

  function picture(title) {
    const image = make("img", { alt: "" });
    return { image, figure: make("figure", {}, make("figcaption", {}, title), image) };
  }

  function prepare(box, number) {
    const every = Array.from(box.querySelectorAll(".reverse-steps > li"));
    const told = box.dataset;
    if (every.length < 2 || !told.ends) return; // the list of an older book stays a list
    const id = `reverse-step-${number}`;
    const classes = JSON.parse(told.classes || "[]");
    const input = make("input", { type: "range", id, min: 0, step: 1 });
    const output = make("output", { for: id, "aria-live": "polite" });
    const select = make("select", { id: `${id}-images` });
    const button = make("button", { type: "button" }, "Play");
    const first = picture(told.first);
    const shown = picture(told.title);
    const rows = make("ol", {});
    const ends = make("div", { class: "ends", "aria-hidden": "true" });
    ends.append(...told.ends.split("|").map((end) => make("span", {}, end)));
    const all = make("details", {}, make("summary", {}, told.all), rows);
    const live = make("div", { class: "live" });
    if (classes.length) {
      select.append(...[told.mixed, ...classes].map((name, i) => make("option", { value: i - 1 }, name)));
      live.append(make("label", { for: select.id }, told.choice), select);
    }
    if (told.first) live.append(first.figure);
    live.append(shown.figure, make("label", { for: id }, told.label), input, ends, output);
    if (told.play) live.append(button);
    live.append(all);

    let items = every;
    let timer = null;
    const row = () => Number(select.value || -1);
    const source = (item) => item.querySelector(row() < 0 ? "img:not(.by-class)" : "img.by-class");

    function show() {
      const item = items[Number(input.value)];
      fill(shown.image, source(item), row(), classes.length);
      input.setAttribute("aria-valuetext", item.dataset.name);
      output.textContent = item.querySelector("p").textContent;
      box.querySelectorAll("svg").forEach((svg) => {
        const left = Number(svg.dataset.left);
        const x = left + (Number(item.dataset.step) / 100) * (Number(svg.dataset.right) - left);
        ["x1", "x2"].forEach((name) => svg.querySelector(".cursor").setAttribute(name, x));
      });
    }

    // the steps at which there are such images, and of them the one nearest to `step`
    function choose(step) {
      items = every.filter(source);
      const apart = (item) => Math.abs(Number(item.dataset.step) - step);
      input.max = items.length - 1;
      input.value = items.reduce((best, item, i) => (apart(item) < apart(items[best]) ? i : best), 0);
      if (told.first) fill(first.image, source(items[0]), row(), classes.length);
      rows.replaceChildren(
        ...items.map((item) =>
          make("li", {}, make("span", {}, item.dataset.name), fill(make("img", {}), source(item), row(), classes.length))
        )
      );
      show();
    }

    function stop() {
      clearInterval(timer);
      timer = null;
      button.textContent = "Play";
      output.setAttribute("aria-live", "polite");
    }

    function play() {
      if (input.value === input.max) input.value = 0;
      show();
      button.textContent = "Pause";
      output.setAttribute("aria-live", "off");
      timer = setInterval(() => {
        input.stepUp();
        show();
        if (input.value === input.max) stop();
      }, Number(told.play));
    }

    input.addEventListener("input", () => {
      stop();
      show();
    });
    button.addEventListener("click", () => (timer === null ? play() : stop()));
    select.addEventListener("change", () => choose(Number(items[Number(input.value)].dataset.step)));
    choose(Number(told.start));
    box.prepend(live);
    box.classList.add("is-live");
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".reverse-step").forEach(prepare));
})();
