"use strict";
const page = (() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const options = {
    actions: false,
    renderer: "svg",
    ast: true,
    config: read("chart-config"),
    defaultStyle: false,
    tooltip: { disableDefaultStyle: true },
    loader: { load: () => Promise.reject(new Error("a chart fetches nothing")) },
  };
  const drawn = [];
  const draw = (place, spec) =>
    vegaEmbed(place, spec, options)
      .then(({ view }) => { drawn.push([place, view]); place.classList.add("drawn"); return view; })
      .catch((error) => { place.textContent = "This chart could not be drawn: " + error.message; });
  const redraw = (width, inside = document) => {
    for (const [place, view] of drawn) if (inside.contains(place)) view.width(width(place)).run();
  };
  for (const each of document.querySelectorAll("details")) { // a closed one has no width to draw to
    each.addEventListener("toggle", () => { if (each.open) redraw((place) => place.clientWidth, each); });
  }
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const each of closed) each.open = true;
    redraw((place) => (place.closest(".grid") ? 320 : 680)); // A4 inside its margins, in CSS pixels
  });
  addEventListener("afterprint", () => {
    for (const each of closed) each.open = false;
    redraw((place) => place.clientWidth);
  });
  return { read, draw };
})();
