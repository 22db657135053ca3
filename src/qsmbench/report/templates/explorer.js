"use strict";
// The table of one's own choice: sets, regions, metrics and methods of the numbers in the page.
const explorer = (() => {
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const get = (name) => document.getElementById(`explorer-${name}`);
  const ALL = "";
  const WORDS = { defaults: "defaults", configured: "configured by hand", tuned: "chosen on data", network: "trained network" };
  const BEGINS = { field: "the local field (isolated)", earlier: "echoes or total field (composed)" };
  const FIRST_METRICS = 6;
  const listeners = [];

  const fill = (select, entries) => select.replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
  const distinct = (values) => [...new Set(values)].filter(Boolean);
  const several = data.sets.length > 1;
  fill(get("set"), [...data.sets.map(({ id, label }) => [id, label]), ...(several ? [[ALL, "all sets"]] : [])]);
  // What a set's methods were given: told where scans were evaluated stage by stage.
  const STAGES = { synthetic: "of synthetic samples", composed: "prepared (composed)", isolated: "true (isolated)", removal: "another background removal" };
  const stages = distinct(data.sets.map(({ stage }) => stage));
  fill(get("stage"), [[ALL, "all"], ...stages.map((stage) => [stage, STAGES[stage]])]);
  get("stage-label").hidden = !stages.includes("isolated") && !stages.includes("removal");
  fill(get("region"), [...data.regions.map(({ id, label }) => [id, label]), ...(data.regions.length > 1 ? [[ALL, "all regions"]] : [])]);
  const kinds = distinct(data.methods.map(({ kind }) => kind));
  fill(get("kind"), [[ALL, "all"], ...kinds.map((kind) => [kind, WORDS[kind]])]);
  const begins = distinct(data.methods.map((method) => method.begins));
  fill(get("begins"), [[ALL, "all"], ...begins.map((begin) => [begin, BEGINS[begin]])]);
  get("begins-label").hidden = begins.length < 2;

  // Metrics that have a value somewhere, the first of them shown.
  const used = new Set(data.summary.filter((row) => row[6] !== null).map((row) => row[2]));
  const metrics = data.metrics.filter(({ id }) => used.has(id));
  metrics.forEach(({ id, label }, i) => {
    const tick = document.createElement("input");
    tick.type = "checkbox";
    tick.value = id;
    tick.checked = i < FIRST_METRICS;
    const line = document.createElement("label");
    line.append(tick, ` ${label}`);
    get("metrics").append(line);
  });
  const ticked = () => metrics.filter(({ id }) => get("metrics").querySelector(`[value="${CSS.escape(id)}"]`).checked);

  const wantedSets = () => data.sets.filter(({ id, stage }) => (
    (get("set").value === ALL || id === get("set").value)
    && (get("stage").value === ALL || stage === get("stage").value)
  ));

  const wantedMethods = () => {
    const text = get("find").value.trim().toLowerCase();
    return data.methods.map((method, i) => [method, i]).filter(([method]) => (
      `${method.label} ${method.id}`.toLowerCase().includes(text)
      && (get("kind").value === ALL || method.kind === get("kind").value)
      && (get("begins").value === ALL || method.begins === get("begins").value)
    ));
  };

  const print = (value, decimals) => (value === null ? "" : value.toFixed(decimals).replace(/^-(?=0(\.0*)?$)/, "").replace("-", "−"));
  const shown = ([, , , , , , mean, sd, median, low, high], decimals) => {
    if (mean === null) return ["–", null];
    const how = get("statistic").value;
    if (how === "median") return [print(median, decimals), median];
    if (how === "interval") return [low === null ? print(mean, decimals) : `${print(mean, decimals)} [${print(low, decimals)}, ${print(high, decimals)}]`, mean];
    return [sd === null ? print(mean, decimals) : `${print(mean, decimals)} ± ${print(sd, decimals)}`, mean];
  };

  const cell = (tag, text, { number, value, bad } = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (tag === "th") made.scope = "row";
    if (number) made.className = "number";
    if (bad) made.classList.add("bad");
    if (value !== undefined && value !== null) made.dataset.value = value;
    return made;
  };
  const heading = (text, number) => {
    const made = document.createElement("th");
    made.scope = "col";
    if (number) made.className = "number";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    const mark = document.createElement("span");
    mark.className = "mark";
    mark.setAttribute("aria-hidden", "true");
    button.append(text, mark);
    made.append(button);
    return made;
  };

  const draw = () => {
    const sets = wantedSets();
    const regions = data.regions.filter(({ id }) => get("region").value === ALL || id === get("region").value);
    const rows = new Map();
    data.summary.forEach((row) => { if (regions.some(({ id }) => id === row[3])) rows.set(row.slice(0, 4).join("\n"), row); });
    const columns = ticked().filter(({ id }) => [...rows.values()].some((row) => row[2] === id && sets.some((set) => set.id === row[0])));
    const head = document.createElement("tr");
    // Where all sets were asked for and one is left, the table says which.
    const named = get("set").value === ALL;
    head.append(heading("Method"), ...(named ? [heading("Set")] : []), ...(regions.length > 1 ? [heading("Region")] : []), heading("n", true));
    columns.forEach(({ label, unit, better }) => {
      const arrow = { lower: "\u00a0↓", higher: "\u00a0↑" }[better] || "";
      head.append(heading(`${label}${unit ? ` (${unit})` : ""}${arrow}`, true));
    });
    const body = [];
    sets.forEach((set) => wantedMethods().forEach(([method, i]) => regions.forEach((region) => {
      const own = columns.map(({ id }) => rows.get([set.id, i, id, region.id].join("\n")));
      if (!own.some(Boolean)) return;
      const line = document.createElement("tr");
      const n = Math.max(...own.filter(Boolean).map((row) => row[4]));
      const failed = Math.max(...own.filter(Boolean).map((row) => row[5]));
      if (failed) line.className = "failed";
      line.append(cell("th", method.label));
      if (named) line.append(cell("td", set.label));
      if (regions.length > 1) line.append(cell("td", region.label));
      line.append(cell("td", failed ? `${n}, ${failed} failed` : String(n), { number: true, value: n, bad: failed }));
      own.forEach((row, j) => {
        const [text, value] = row ? shown(row, columns[j].decimals) : ["–", null];
        line.append(cell("td", text, { number: true, value }));
      });
      body.push(line);
    })));
    get("table").tHead.replaceChildren(head);
    get("table").tBodies[0].replaceChildren(...body);
    get("columns-count").textContent = `${ticked().length} of ${metrics.length} chosen`;
    const place = regions.length > 1 ? "regions where a chosen metric has a value" : regions[0].label;
    get("message").textContent = `${body.length} row${body.length === 1 ? "" : "s"}, ${place}.${columns.length ? "" : " No chosen metric has a value here."}`;
    listeners.forEach((listener) => listener());
  };

  // A stage is chosen among all sets.
  get("stage").addEventListener("change", () => { get("set").value = several ? ALL : get("set").value; });
  ["set", "stage", "region", "statistic", "kind", "begins", "metrics"].forEach((name) => get(name).addEventListener("change", draw));
  get("find").addEventListener("input", draw);
  draw();
  return {
    data,
    metrics,
    print,
    wantedMethods,
    sets: wantedSets,
    // A plot shows one region: the first, the whole mask, where the table has all.
    region: () => get("region").value || data.regions[0].id,
    onChange: (listener) => listeners.push(listener),
  };
})();
