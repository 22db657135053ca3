% Thresholded k-space division, as a foreign method: NIfTI-1 in and out, single file, little-endian, float32.
args = argv(); in = args{end-1}; out = args{end};
gunzip([in "/localfield.nii.gz"], tempdir); name = [tempdir "/localfield.nii"];
f = fopen(name, "r"); head = fread(f, 352, "uint8"); n = typecast(uint8(head(43:48)), "int16");
v = typecast(uint8(head(81:92)), "single"); field = reshape(fread(f, prod(double(n)), "single"), double(n')); fclose(f);
p = jsondecode(fileread([in "/params.json"])); axes = cell(1, 3);
for i = 1:3, m = double(n(i)); axes{i} = ifftshift((0:m-1) - floor(m / 2)) / (m * double(v(i))); end
[x, y, z] = ndgrid(axes{:}); d = p.B0_dir; D = 1/3 - (d(1)*x + d(2)*y + d(3)*z).^2 ./ max(x.^2 + y.^2 + z.^2, eps); D(1) = 0;
chi = real(ifftn(fftn(field) .* sign(D) ./ max(abs(D), 0.2)));
f = fopen([out "/chimap.nii"], "w"); fwrite(f, head, "uint8"); fwrite(f, chi, "single"); fclose(f); gzip([out "/chimap.nii"]);
