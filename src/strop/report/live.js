(() => {
  const PAUSE = 2000, SILENT = 120; // ms between two questions; seconds without a row that are worth a word
  const charts = new Map(); // name -> what is shown, newest data first
  const place = (id) => document.getElementById(id);
  const element = (tag, text, kind = "") => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };

  const figureOf = (chart) => {
    const known = [...document.querySelectorAll("[data-chart]")].find((each) => each.dataset.chart === chart.name);
    if (known) return known.closest("figure");
    const made = place("figure").content.firstElementChild.cloneNode(true);
    made.querySelector("h4").textContent = chart.title;
    made.querySelector("[data-chart]").dataset.chart = chart.name;
    const names = latest.charts.map((each) => each.name);
    const others = [...place(chart.group).querySelectorAll("figure")];
    const after = others.find((each) => names.indexOf(each.querySelector("[data-chart]").dataset.chart) > names.indexOf(chart.name));
    place(chart.group).querySelector("div").insertBefore(made, after || null);
    return made;
  };

  const fill = (shown) => {
    const data = JSON.stringify(shown.chart.data);
    if (!shown.view || data === shown.data) return;
    shown.data = data;
    for (const [name, rows] of Object.entries(shown.chart.data)) shown.view.data(name, rows);
    shown.view.description(shown.chart.spec.description).resize().runAsync();
  };

  const chartOf = (chart) => {
    const shown = charts.get(chart.name) || { figure: figureOf(chart) };
    shown.chart = chart;
    shown.figure.hidden = false;
    place(chart.group).hidden = false;
    write(shown.figure.querySelector("figcaption"), chart.text);
    if (!charts.has(chart.name)) {
      charts.set(chart.name, shown);
      page.draw(shown.figure.querySelector("[data-chart]"), chart.spec).then((view) => { shown.view = view; fill(shown); });
    }
    fill(shown);
  };

  const alarmOf = ({ step, name, sentence }) => {
    const line = element("p", "", "warning");
    line.append(element("strong", name), ` at update ${step.toLocaleString("en")}: ${sentence}`);
    return line;
  };

  const factOf = ([name, value]) => {
    const row = document.createElement("div");
    row.append(element("dt", name), element("dd", value));
    return row;
  };

  const show = (state) => {
    const alarmed = JSON.stringify(latest.alarms) !== JSON.stringify(state.alarms);
    latest = state;
    write(document.querySelector("h1"), state.title);
    write(place("status"), state.status);
    place("progress").value = state.updates[0];
    place("progress").max = state.updates[1] || 1;
    place("facts").replaceChildren(...state.facts.map(factOf));
    if (alarmed) { // read aloud only when it changes
      place("raised").replaceChildren(...(state.alarms.length ? state.alarms.map(alarmOf) : [element("p", "No alarm.")]));
    }
    for (const chart of state.charts) chartOf(chart);
    const names = new Set(state.charts.map((chart) => chart.name));
    for (const [name, shown] of charts) if (!names.has(name)) shown.figure.hidden = true;
  };

  const say = (text) => write(place("message"), text);
  const ask = async () => {
    try {
      const answer = await fetch("state.json", { cache: "no-store" });
      return await answer.json();
    } catch {
      return { error: "The server has stopped; this is how far it got." };
    }
  };
  const silence = (state) => {
    const minutes = Math.floor((Date.now() / 1000 - state.written) / 60);
    return state.at_work === null && state.written && minutes * 60 >= SILENT ? `Nothing was written for ${minutes} minutes: the training may have been killed.` : "";
  };
  const poll = async () => {
    if (!document.hidden) {
      const state = await ask();
      if (state.error) say(state.error);
      else {
        show(state);
        say(state.done ? "The training is over; this page asks for nothing more." : silence(state));
        if (state.done) return;
      }
    }
    setTimeout(poll, PAUSE);
  };

  let latest = page.read("state");
  show(latest);
  if (document.body.hasAttribute("data-polls") && !latest.done) setTimeout(poll, PAUSE);
})();
