"use strict";
// Every subject a dot: a metric by method, against another metric, or against what subjects differ in.
(() => {
  const { data, metrics, print } = explorer;
  const get = (name) => document.getElementById(name);
  const box = get("plot");
  const METHOD = "method";
  let points = [];
  let at = -1;
  let started = false;

  const option = (value, text) => new Option(text, value);
  get("plot-y").append(...metrics.map(({ id, label }) => option(id, label)));
  get("plot-x").append(
    option(METHOD, "method"),
    ...metrics.map(({ id, label }) => option(`m:${id}`, label)),
    ...data.conditions.map(({ label }, i) => option(`c:${i}`, label)),
  );

  const metricOf = (id) => metrics.find((metric) => metric.id === id);
  const named = ({ label, unit }) => (unit ? `${label} (${unit})` : label);
  const table = (set, metric, region) => data.values.find(([s, m, r]) => s === set && m === metric && r === region);

  // One object a dot: x, y, method, set, subject.
  const gather = () => {
    const region = explorer.region();
    const wanted = new Map(explorer.wantedMethods().map(([method, i]) => [i, method]));
    const y = metricOf(get("plot-y").value);
    const x = get("plot-x").value;
    const found = [];
    explorer.sets().forEach((set) => {
      const ys = table(set.id, y.id, region);
      if (!ys) return;
      const [, , , subjects, columns] = ys;
      const others = x.startsWith("m:") ? table(set.id, x.slice(2), region) : null;
      const condition = x.startsWith("c:") ? data.conditions[x.slice(2)].values[set.id] || {} : null;
      columns.forEach(([i, values]) => {
        const method = wanted.get(i);
        if (!method) return;
        const across = others && (others[4].find(([j]) => j === i) || [])[1];
        values.forEach((value, k) => {
          let along = method.label;
          if (others) along = across ? across[others[3].indexOf(subjects[k])] : null;
          if (condition) along = condition[subjects[k]];
          if (value === null || along === null || along === undefined) return;
          found.push({ x: along, y: value, method: method.label, index: i, set: set.label, subject: subjects[k] });
        });
      });
    });
    return found;
  };

  const reading = (point) => {
    const y = metricOf(get("plot-y").value);
    const x = get("plot-x").value;
    let text = `${point.method}, ${point.set}, subject ${point.subject}: ${y.label} ${print(point.y, y.decimals)}${y.unit ? ` ${y.unit}` : ""}`;
    if (x.startsWith("m:")) text += `, ${metricOf(x.slice(2)).label} ${print(point.x, metricOf(x.slice(2)).decimals)}`;
    if (x.startsWith("c:")) text += `, ${data.conditions[x.slice(2)].label} ${Number(point.x.toPrecision(4))}`;
    return text;
  };

  const legend = (labels, colour) => {
    const list = document.createElement("ul");
    list.className = "legend";
    labels.forEach((label) => {
      const line = document.createElement("li");
      const dot = document.createElement("i");
      dot.style.background = colour(label);
      line.append(dot, label);
      list.append(line);
    });
    return list;
  };

  const draw = () => {
    if (!started) return;
    points = gather();
    at = -1;
    const y = metricOf(get("plot-y").value);
    const x = get("plot-x").value;
    const many = explorer.sets().length > 1;
    const labels = data.methods.map(({ label }) => label).filter((label) => points.some(({ method }) => method === label));
    const palette = d3.schemeTableau10;
    const colour = (label) => palette[data.methods.findIndex((method) => method.label === label) % palette.length];
    const width = Math.max(300, box.parentElement.clientWidth);
    if (!points.length) {
      box.replaceChildren("Nothing to plot: no value of this choice.");
      get("plot-reading").textContent = "";
      return;
    }
    const scale = get("plot-log").checked && points.every((point) => point.y > 0) ? "log" : "linear";
    const dots = { fill: (point) => colour(point.method), fillOpacity: 0.8, r: 4, symbol: many ? "set" : undefined };
    const common = {
      width,
      color: { type: "identity" },
      symbol: many ? { legend: false } : undefined,
      style: { fontSize: "12px", background: "transparent", color: "currentColor" },
    };
    const tip = { title: reading, fill: getComputedStyle(document.documentElement).getPropertyValue("--ground"), stroke: "currentColor" };
    // Numbers along the axis as close as they can be read, and three of them on a phone.
    const ticks = scale === "log" ? undefined : Math.max(3, Math.round(width / 90));
    let plot;
    if (x === METHOD) {
      const longest = Math.max(...labels.map((label) => label.length));
      plot = Plot.plot({
        ...common,
        insetLeft: 8,
        insetRight: 8,
        marginBottom: 42,
        marginLeft: Math.min(0.45 * width, 24 + 7 * longest),
        height: 84 + 34 * labels.length,
        x: { label: named(y), grid: true, type: scale, ticks },
        y: { domain: labels, label: null },
        marks: [
          Plot.dot(points, { x: "y", y: "method", ...dots }),
          Plot.tickX(points, Plot.groupY({ x: "mean" }, { x: "y", y: "method", strokeWidth: 2 })),
          Plot.tip(points, Plot.pointer({ x: "y", y: "method", ...tip })),
        ],
      });
    } else {
      const across = x.startsWith("m:") ? named(metricOf(x.slice(2))) : data.conditions[x.slice(2)].label;
      plot = Plot.plot({
        ...common,
        inset: 8,
        height: Math.min(460, Math.max(280, width * 0.55)),
        marginLeft: 56,
        x: { label: across, grid: true, ticks },
        y: { label: named(y), grid: true, type: scale },
        marks: [
          Plot.dot(points, { x: "x", y: "y", ...dots }),
          Plot.tip(points, Plot.pointer({ x: "x", y: "y", ...tip })),
        ],
      });
    }
    // The box has a name, and its reading is told; a drawing has nothing more for who does not see it.
    plot.setAttribute("aria-hidden", "true");
    plot.addEventListener("input", () => { if (plot.value) get("plot-reading").textContent = reading(plot.value); });
    box.replaceChildren(...(x === METHOD ? [plot] : [legend(labels, colour), plot]));
    box.setAttribute("aria-label", `${named(y)}, ${points.length} dots`);
    get("plot-reading").textContent = `${points.length} dots${x === METHOD ? "; the upright line is a method's mean" : ""}.`;
  };

  // The arrow keys go from dot to dot: by method, then by value.
  box.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step || !points.length) return;
    event.preventDefault();
    points.sort((a, b) => a.index - b.index || a.y - b.y);
    at = (at + step + points.length + (at < 0 && step < 0 ? 1 : 0)) % points.length;
    get("plot-reading").textContent = reading(points[at]);
  });

  ["plot-y", "plot-x", "plot-log"].forEach((name) => get(name).addEventListener("change", draw));
  explorer.onChange(draw);
  document.addEventListener("themechange", draw);
  let last = 0;
  new ResizeObserver(() => {
    const width = box.parentElement.clientWidth;
    if (Math.abs(width - last) > 8) { last = width; draw(); }
  }).observe(box.parentElement);
  whenNear(get("plot-panel"), () => {
    loadLibrary("d3", "plot");
    started = true;
    draw();
    box.dataset.state = "ready";
  });
})();
