"use strict";
// Two NiiVue views of one subject, what is drawn over them, and the value of every map at the crosshair.
(() => {
  const { index, isOutside } = volumes;
  const get = (name) => document.getElementById(`viewer-${name}`);
  const SIDES = ["left", "right"];
  // An error that lies over a map is drawn from this share of the window on.
  const LEAST_SHOWN = 0.15;
  const views = {};
  let place = [0, 0, 0];
  let started = false;
  let linking = false;
  let turn = 0;

  const say = (text) => { get("message").textContent = text; };
  const subject = () => index.sets[get("set").value].subjects[get("subject").value];
  const mapOf = (side) => subject().maps.find((map) => map.key === get(side).value);
  const reference = () => subject().maps.find((map) => map.key === "reference" && map.there);
  const isError = (side) => get(`${side}-error`).checked && !get(`${side}-error`).disabled;

  const fill = (select, entries, wanted) => {
    select.replaceChildren(...entries.map(([value, text, disabled]) => {
      const option = new Option(text, value, false, value === wanted);
      option.disabled = Boolean(disabled);
      return option;
    }));
  };

  // What the readout knows: by key, the voxels of every map of the subject that are unpacked by now.
  let known = { subject: null, maps: new Map() };

  const read = async (side) => {
    const map = await volumes.read(subject(), mapOf(side));
    return isError(side) ? volumes.difference(map, await volumes.read(subject(), reference())) : map;
  };

  const slices = () => ({ axial: 0, coronal: 1, sagittal: 2, multi: 3 })[get("view").value];

  const show = async (side) => {
    const view = views[side];
    const map = mapOf(side);
    const limit = Number(get("window").value) * (map.kind === "field" ? 0.5 : 1);
    const current = (view.turn = turn += 1);
    const data = await read(side);
    if (view.turn !== current) return;
    const nv = view.nv;
    while (nv.volumes.length) nv.removeVolume(nv.volumes[0]);
    await nv.loadFromArrayBuffer(volumes.clipped(data, limit), "map.nii");
    if (view.turn !== current) return;
    const volume = nv.volumes[nv.volumes.length - 1];
    // A colour map first: NiiVue finds a window of its own when it is set.
    volume.colormap = isError(side) ? "diverging" : "gray";
    [volume.cal_min, volume.cal_max] = [-limit, limit];
    const over = await overlay(side, map, data, limit);
    if (view.turn !== current) return;
    if (over) {
      await nv.loadFromArrayBuffer(over.buffer, "over.nii");
      if (view.turn !== current) return;
      const top = nv.volumes[nv.volumes.length - 1];
      top.colormap = over.colours;
      if (over.below) top.colormapNegative = over.below;
      [top.cal_min, top.cal_max] = over.window;
    }
    nv.updateGLVolume();
    get(`${side}-canvas`).dataset.windows = nv.volumes.map((shown) => `${shown.cal_min} to ${shown.cal_max}`).join("; ");
    view.data = data;
    view.limit = limit;
    get(`${side}-canvas`).setAttribute(
      "aria-label",
      `${map.label}${isError(side) ? " minus reference" : ""}, subject ${subject().name}, window ±${limit} ppm`,
    );
    draw(side);
  };

  // What is chosen to lie over a map: its error where there is a reference, or the mask's edge.
  const overlay = async (side, map, data, limit) => {
    const chosen = get("overlay").value;
    if (chosen === "mask") {
      return { buffer: volumes.edge(data, subject().shape), window: [0, index.step], colours: "edge" };
    }
    if (chosen !== "error" || !reference() || map.kind !== "chi" || map.key === "reference" || isError(side)) return null;
    const error = volumes.difference(data, await volumes.read(subject(), reference()));
    return { buffer: volumes.zeroed(error), window: [LEAST_SHOWN * limit, limit], colours: "over", below: "under" };
  };

  const at = ({ steps }) => {
    const { shape } = subject();
    return steps[place[0] + shape[0] * (place[1] + shape[1] * place[2])];
  };
  const ppm = (value) => (value * index.step).toFixed(3).replace("-", "−");

  // A row a map; those not unpacked yet say so.
  const tell = () => {
    const truth = known.maps.get("reference");
    subject().maps.forEach(({ key }, i) => {
      const cells = get("readout").tBodies[0].rows[i].cells;
      const map = known.maps.get(key);
      if (!map) return;
      const value = at(map);
      cells[1].textContent = isOutside(value) ? "outside" : ppm(value);
      const compared = truth && key !== "reference" && subject().maps[i].kind === "chi" && !isOutside(value) && !isOutside(at(truth));
      cells[2].textContent = compared ? ppm(value - at(truth)) : "";
    });
  };

  // Every map of the subject, one after the other, the ones on show first.
  const readAll = async () => {
    const of = subject();
    known = { subject: of, maps: new Map() };
    get("readout").tBodies[0].replaceChildren(...of.maps.map(({ label, there }) => {
      const row = document.createElement("tr");
      const name = document.createElement("th");
      name.scope = "row";
      name.textContent = label;
      row.append(name);
      ["…", ""].forEach((text) => {
        const cell = document.createElement("td");
        cell.className = "number";
        cell.textContent = there ? text : "";
        row.append(cell);
      });
      if (!there) row.cells[1].textContent = "failed";
      return row;
    }));
    for (const map of of.maps) {
      if (!map.there) continue;
      const found = await volumes.read(of, map);
      if (known.subject !== of) return;
      known.maps.set(map.key, found);
      tell();
    }
    get("readout").dataset.state = "ready";
  };

  const draw = (side) => {
    const { nv, data, limit } = views[side];
    if (!data || !nv.volumes.length) return;
    const { shape, oriented } = subject();
    nv.opts.isRadiologicalConvention = oriented;
    nv.opts.isOrientationTextVisible = oriented;
    nv.setSliceType(slices());
    nv.scene.crosshairPos = nv.vox2frac ? nv.vox2frac(place) : place.map((p, i) => (p + 0.5) / shape[i]);
    nv.drawScene();
    const value = at(data);
    const number = isOutside(value) ? "outside the mask" : `${ppm(value)} ppm`;
    get(`${side}-value`).textContent = `${number} at the crosshair; window ±${limit} ppm`;
  };

  const move = (next) => {
    const { shape } = subject();
    place = next.map((p, i) => Math.min(shape[i] - 1, Math.max(0, Math.round(p))));
    ["x", "y", "z"].forEach((axis, i) => {
      get(axis).value = place[i];
      get(`${axis}-value`).textContent = `${place[i] + 1} of ${shape[i]}`;
    });
    linking = true;
    SIDES.forEach(draw);
    tell();
    linking = false;
  };

  const chooseSubject = async () => {
    const of = subject();
    await volumes.describe(of);
    if (of !== subject()) return;
    const { maps, shape, centre, oriented } = subject();
    const names = oriented ? ["Left to right", "Back to front", "Bottom to top"] : ["First axis", "Second axis", "Third axis"];
    ["x", "y", "z"].forEach((axis, i) => {
      get(axis).max = shape[i] - 1;
      get(`${axis}-name`).textContent = names[i];
    });
    const usable = maps.filter((map) => map.there);
    const defaults = { left: usable[0].key, right: (usable[1] || usable[0]).key };
    for (const side of SIDES) {
      const kept = usable.some((map) => map.key === get(side).value) ? get(side).value : defaults[side];
      fill(get(side), maps.map((map) => [map.key, map.there ? map.label : `${map.label} (failed)`, !map.there]), kept);
    }
    limitErrors();
    place = centre;
    get("readout").dataset.state = "";
    const all = readAll();
    await Promise.all(SIDES.map(show));
    move(centre);
    await all;
  };

  const limitErrors = () => {
    for (const side of SIDES) {
      const map = mapOf(side);
      get(`${side}-error`).disabled = !reference() || map.kind !== "chi" || map.key === "reference";
    }
  };

  const chooseSet = () => {
    const { subjects } = index.sets[get("set").value];
    fill(get("subject"), subjects.map(({ name, why }, i) => [String(i), why ? `${name}: ${why}` : name]), "0");
    return chooseSubject();
  };

  const start = async () => {
    if (started) return;
    started = true;
    if (!document.createElement("canvas").getContext("webgl2")) {
      say("This browser has no WebGL 2, which the viewer needs; the slices below show the same maps.");
      get("panel").dataset.state = "no-webgl";
      return;
    }
    loadLibrary("niivue");
    fill(get("set"), index.sets.map(({ label }, i) => [String(i), label]), "0");
    for (const side of SIDES) {
      const canvas = get(`${side}-canvas`);
      const nv = new niivue.Niivue({
        backColor: [0, 0, 0, 1],
        crosshairColor: [1, 0.85, 0.2, 0.8],
        crosshairWidth: 0.5,
        dragAndDropEnabled: false,
        show3Dcrosshair: false,
        isColorbar: false,
        multiplanarShowRender: 0,
        multiplanarEqualSize: false,
        loadingText: "",
        logLevel: "error",
      });
      // The page scrolls over a view that is not selected.
      canvas.parentElement.addEventListener("wheel", (event) => {
        if (document.activeElement !== canvas) event.stopPropagation();
      }, { capture: true });
      await nv.attachToCanvas(canvas, false);
      // Level 0, below the window, is what lies outside the mask: black.
      const levels = index.diverging.R.length;
      nv.addColormap("diverging", {
        ...Object.fromEntries(Object.entries(index.diverging).map(([band, values]) => [band, [0, ...values]])),
        A: Array(levels + 1).fill(255),
        I: [0, ...index.diverging.R.map((_, i) => Math.round(1 + (254 * i) / (levels - 1)))],
      });
      // Over a map only what is wrong is drawn, warm where the map is too high and cold where it is too low.
      const middle = (levels - 1) / 2;
      const half = (pick) => ({
        ...Object.fromEntries(Object.entries(index.diverging).map(([band, values]) => [band, [0, ...pick(values)]])),
        A: [0, ...Array(middle).fill(255)],
        I: [0, ...Array.from({ length: middle }, (_, i) => Math.round(1 + (254 * i) / (middle - 1)))],
      });
      nv.addColormap("over", half((values) => values.slice(middle + 1)));
      nv.addColormap("under", half((values) => values.slice(0, middle).reverse()));
      nv.addColormap("edge", { R: [0, 255], G: [0, 200], B: [0, 0], A: [0, 255], I: [0, 255] });
      nv.setInterpolation(true);
      nv.onLocationChange = ({ vox }) => { if (!linking && views[side].data) move(vox); };
      views[side] = { nv, turn: 0 };
      canvas.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowDown: [1, -1], ArrowUp: [1, 1], PageDown: [2, -1], PageUp: [2, 1] }[event.key];
        if (!step) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        move(place.map((p, i) => (i === step[0] ? p + step[1] : p)));
      }, { capture: true });
      get(side).addEventListener("change", () => { limitErrors(); show(side); });
      get(`${side}-error`).addEventListener("change", () => show(side));
    }
    const told = (choose) => () => choose().then(() => say(""), (error) => say(error.message));
    get("set").addEventListener("change", told(chooseSet));
    get("subject").addEventListener("change", told(chooseSubject));
    ["window", "overlay"].forEach((name) => get(name).addEventListener("change", () => SIDES.forEach(show)));
    get("view").addEventListener("change", () => SIDES.forEach(draw));
    ["x", "y", "z"].forEach((axis, i) => get(axis).addEventListener("input", () => {
      move(place.map((p, j) => (i === j ? Number(get(axis).value) : p)));
    }));
    await chooseSet();
    get("panel").dataset.state = "ready";
  };

  // Nothing is unpacked for a reader who never scrolls here.
  whenNear(get("panel"), () => {
    start().catch((error) => {
      say(`The viewer could not start: ${error.message}`);
      get("panel").dataset.state = "failed";
      console.error(error);
    });
  });
})();
