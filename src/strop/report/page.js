(() => {
  const specs = page.read("chart-specs");
  for (const place of document.querySelectorAll("[data-chart]")) page.draw(place, specs[place.dataset.chart]);
})();
