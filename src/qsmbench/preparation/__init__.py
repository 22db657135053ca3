"""From a scanner's phase to the local field.

    echoes -> mask, fitted and unwrapped total field, noise, R2* -> background removal -> local field; SWI beside it

- `settings.PreparationSettings`: every choice with its default and source (pydantic; imports no numpy).
- `echoes.Echoes`: what comes in: wrapped phase in rad, magnitude, grid, echo times, B0.
- `pipeline.prepare(echoes, settings, mask) -> Prepared`: arrays in, arrays out.
- `dataset.prepare_bids`, `dataset.prepare_files`: files in, BIDS derivatives or loose files out.
- `outputs.output_path(out_dir, entities, name)`: where each result of a BIDS acquisition lies.
"""
