"use strict";
// Two NiiVue views of one subject. The page holds each map as a gzipped NIfTI; it is unpacked when it is first shown.
(() => {
  const index = JSON.parse(document.getElementById("viewer-index").textContent);
  const get = (name) => document.getElementById(`viewer-${name}`);
  const HEADER = 352;
  const SIDES = ["left", "right"];
  const views = {};
  const volumes = new Map();
  let place = [0, 0, 0];
  let started = false;
  let linking = false;
  let turn = 0;

  const say = (text) => { get("message").textContent = text; };
  const subject = () => index.sets[get("set").value].subjects[get("subject").value];
  const mapOf = (side) => subject().maps.find((map) => map.key === get(side).value);
  const reference = () => subject().maps.find((map) => map.key === "reference" && map.id);
  const isError = (side) => get(`${side}-error`).checked && !get(`${side}-error`).disabled;

  const fill = (select, entries, wanted) => {
    select.replaceChildren(...entries.map(([value, text, disabled]) => {
      const option = new Option(text, value, false, value === wanted);
      option.disabled = Boolean(disabled);
      return option;
    }));
  };

  // Header and voxels of a map, unpacked once.
  const unpack = (id) => {
    if (!volumes.has(id)) {
      const packed = Uint8Array.from(atob(document.getElementById(id).textContent.trim()), (c) => c.charCodeAt(0));
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
      volumes.set(id, new Response(stream).arrayBuffer().then((buffer) => ({
        header: new Uint8Array(buffer.slice(0, HEADER)),
        steps: new Int16Array(buffer, HEADER),
      })));
    }
    return volumes.get(id);
  };

  // The voxels to show: a map, or its difference from the reference.
  const read = async (side) => {
    const map = await unpack(mapOf(side).id);
    if (!isError(side)) return map;
    const truth = await unpack(reference().id);
    const steps = map.steps.map((value, i) => (
      value === index.outside || truth.steps[i] === index.outside ? index.outside : value - truth.steps[i]
    ));
    return { header: map.header, steps };
  };

  // Outside the mask stays below the window, everything inside within it, so that only the outside is left black.
  const clipped = ({ header, steps }, limit) => {
    const top = Math.round(limit / index.step);
    const buffer = new ArrayBuffer(HEADER + 2 * steps.length);
    new Uint8Array(buffer).set(header);
    const out = new Int16Array(buffer, HEADER);
    const bottom = Math.ceil(top / 64) - top;
    for (let i = 0; i < steps.length; i += 1) {
      out[i] = steps[i] === index.outside ? -top - 1 : Math.min(top, Math.max(bottom, steps[i]));
    }
    return buffer;
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
    await nv.loadFromArrayBuffer(clipped(data, limit), "map.nii");
    if (view.turn !== current) return;
    const volume = nv.volumes[nv.volumes.length - 1];
    volume.cal_min = -limit;
    volume.cal_max = limit;
    volume.colormap = isError(side) ? "diverging" : "gray";
    nv.updateGLVolume();
    view.data = data;
    view.limit = limit;
    get(`${side}-canvas`).setAttribute(
      "aria-label",
      `${map.label}${isError(side) ? " minus reference" : ""}, subject ${subject().name}, window ±${limit} ppm`,
    );
    draw(side);
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
    const value = data.steps[place[0] + shape[0] * (place[1] + shape[1] * place[2])];
    const number = value === index.outside ? "outside the mask" : `${(value * index.step).toFixed(3).replace("-", "−")} ppm`;
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
    linking = false;
  };

  const chooseSubject = async () => {
    const { maps, shape, centre, oriented } = subject();
    const names = oriented ? ["Left to right", "Back to front", "Bottom to top"] : ["First axis", "Second axis", "Third axis"];
    ["x", "y", "z"].forEach((axis, i) => {
      get(axis).max = shape[i] - 1;
      get(`${axis}-name`).textContent = names[i];
    });
    const usable = maps.filter((map) => map.id);
    const defaults = { left: usable[0].key, right: (usable[1] || usable[0]).key };
    for (const side of SIDES) {
      const kept = usable.some((map) => map.key === get(side).value) ? get(side).value : defaults[side];
      fill(get(side), maps.map((map) => [map.key, map.id ? map.label : `${map.label} (failed)`, !map.id]), kept);
    }
    limitErrors();
    place = centre;
    await Promise.all(SIDES.map(show));
    move(centre);
  };

  const limitErrors = () => {
    for (const side of SIDES) {
      const map = mapOf(side);
      get(`${side}-error`).disabled = !reference() || map.kind !== "chi" || map.key === "reference";
    }
  };

  const chooseSet = () => {
    const { subjects } = index.sets[get("set").value];
    fill(get("subject"), subjects.map(({ name }, i) => [String(i), name]), "0");
    return chooseSubject();
  };

  const start = async () => {
    if (started) return;
    started = true;
    if (!document.createElement("canvas").getContext("webgl2")) {
      say("This browser has no WebGL 2, which the viewer needs; the slices above show the same maps.");
      get("panel").dataset.state = "no-webgl";
      return;
    }
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
    get("set").addEventListener("change", chooseSet);
    get("subject").addEventListener("change", chooseSubject);
    get("window").addEventListener("change", () => SIDES.forEach(show));
    get("view").addEventListener("change", () => SIDES.forEach(draw));
    ["x", "y", "z"].forEach((axis, i) => get(axis).addEventListener("input", () => {
      move(place.map((p, j) => (i === j ? Number(get(axis).value) : p)));
    }));
    await chooseSet();
    get("panel").dataset.state = "ready";
  };

  // Nothing is unpacked for a reader who never scrolls here.
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    start().catch((error) => {
      say(`The viewer could not start: ${error.message}`);
      get("panel").dataset.state = "failed";
      console.error(error);
    });
  }, { rootMargin: "400px" }).observe(get("panel"));
})();
