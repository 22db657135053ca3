"use strict";
// Maps of the viewer: unpacked when they are first looked at, from the page itself or from the server of it.
const volumes = (() => {
  const index = JSON.parse(document.getElementById("viewer-index").textContent);
  const HEADER = 352;
  // Maps of a subject are kept while it is looked at, and those of the one before.
  const MOST_SUBJECTS = 2;
  const kept = new Map();

  const ask = async (url) => {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error((await answer.text()).slice(0, 300));
    return answer;
  };

  // A served page has what is known of a subject, and its maps, at addresses.
  const describe = async (subject) => {
    if (!subject.maps) Object.assign(subject, await (await ask(subject.url)).json());
  };

  const packed = async (map) => {
    if (map.url) return (await ask(map.url)).blob();
    const text = document.getElementById(map.id).textContent.trim();
    return new Blob([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))]);
  };

  const unpack = async (map) => {
    const stream = (await packed(map)).stream().pipeThrough(new DecompressionStream("gzip"));
    const buffer = await new Response(stream).arrayBuffer();
    return { header: new Uint8Array(buffer.slice(0, HEADER)), steps: new Int16Array(buffer, HEADER) };
  };

  // Header and voxels of a map of a subject, unpacked once.
  const read = (subject, map) => {
    const own = kept.get(subject) || new Map();
    kept.delete(subject);
    kept.set(subject, own);
    while (kept.size > MOST_SUBJECTS) kept.delete(kept.keys().next().value);
    if (!own.has(map.key)) own.set(map.key, unpack(map).catch((error) => { own.delete(map.key); throw error; }));
    return own.get(map.key);
  };

  const isOutside = (value) => value === index.outside;

  // Voxel by voxel a map minus the reference, outside where either is.
  const difference = (map, truth) => ({
    header: map.header,
    steps: map.steps.map((value, i) => (isOutside(value) || isOutside(truth.steps[i]) ? index.outside : value - truth.steps[i])),
  });

  const made = (header, n, fill) => {
    const buffer = new ArrayBuffer(HEADER + 2 * n);
    new Uint8Array(buffer).set(header);
    fill(new Int16Array(buffer, HEADER));
    return buffer;
  };

  // Outside the mask stays below the window, everything inside within it, so that only the outside is left black.
  const clipped = ({ header, steps }, limit) => made(header, steps.length, (out) => {
    const top = Math.round(limit / index.step);
    const bottom = Math.ceil(top / 64) - top;
    for (let i = 0; i < steps.length; i += 1) {
      out[i] = isOutside(steps[i]) ? -top - 1 : Math.min(top, Math.max(bottom, steps[i]));
    }
  });

  // Zero outside, as what lies over a map and is not drawn where it is small.
  const zeroed = ({ header, steps }) => made(header, steps.length, (out) => {
    for (let i = 0; i < steps.length; i += 1) out[i] = isOutside(steps[i]) ? 0 : steps[i];
  });

  // Voxels inside the mask that touch its outside, as 0.001 and 0: what is drawn over a map.
  const edge = ({ header, steps }, [nx, ny]) => made(header, steps.length, (out) => {
    const strides = [1, nx, nx * ny];
    for (let i = 0; i < steps.length; i += 1) {
      out[i] = !isOutside(steps[i]) && strides.some((s) => (
        i - s < 0 || i + s >= steps.length || isOutside(steps[i - s]) || isOutside(steps[i + s])
      )) ? 1 : 0;
    }
  });

  return { index, describe, read, difference, clipped, zeroed, edge, isOutside };
})();
