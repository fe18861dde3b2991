// A surface to be seen: geometry, material and light out of the files of a training.
"use strict";

Monitor.surface = (() => {
  const MODES = [
    "shaded", "albedo", "roughness", "metalness", "occlusion", "normals", "UV checker",
  ];

  // What a fragment shows in each mode; the order is that of MODES.
  const SHOWN = `
    if (mode == 1) gl_FragColor = linearToOutputTexel(vec4(diffuseColor.rgb, 1.0));
    if (mode == 2) gl_FragColor = vec4(vec3(roughnessFactor), 1.0);
    if (mode == 3) gl_FragColor = vec4(vec3(metalnessFactor), 1.0);
    if (mode == 4) gl_FragColor = vec4(vec3(openShare), 1.0);
    if (mode == 5) gl_FragColor = vec4(inverseTransformDirection(normal, viewMatrix) * 0.5 + 0.5, 1.0);
    if (mode == 6) {
    #ifdef USE_MAP
      vec2 cell = floor(vMapUv * 32.0);
      float odd = mod(cell.x + cell.y, 2.0);
      gl_FragColor = vec4(mix(vec3(vMapUv, 0.5), vec3(1.0), 0.25 + 0.5 * odd), 1.0);
    #else
      gl_FragColor = vec4(vec3(0.5), 1.0);
    #endif
    }`;

  // What a preview holds; `light` is null where it has none.
  async function glb(bytes) {
    const made = await new THREE.GLTFLoader().parseAsync(bytes, "");
    const mesh = made.scene.getObjectByProperty("isMesh", true);
    if (!mesh) throw new Error("the file holds no mesh");
    const probe = made.scene.userData.probe;
    let light = null;
    if (Number.isInteger(probe)) light = panorama(await made.parser.getDependency("bufferView", probe), "hdr");
    return { geometry: mesh.geometry, material: mesh.material, light };
  }

  // The same of a mesh with textures beside it, as nvdiffrec leaves it.
  async function obj(key, told, bytes) {
    const group = new THREE.OBJLoader().parse(new TextDecoder().decode(bytes));
    const mesh = group.getObjectByProperty("isMesh", true);
    if (!mesh) throw new Error("the file holds no mesh");
    const material = new THREE.MeshStandardMaterial({ side: THREE.DoubleSide, roughness: 1, metalness: 1 });
    const texture = async (name, space) => {
      if (!told.textures[name]) return null;
      const address = Monitor.source.address(key, told.textures[name], told.revision);
      const made = await new THREE.TextureLoader().loadAsync(address);
      made.colorSpace = space;
      made.wrapS = made.wrapT = THREE.RepeatWrapping;
      return made;
    };
    material.map = await texture("kd", THREE.SRGBColorSpace);
    material.normalMap = await texture("n", THREE.NoColorSpace);
    material.aoMap = material.roughnessMap = material.metalnessMap = await texture("ks", THREE.NoColorSpace);
    material.userData.closed = true; // nvdiffrec's occlusion: 0 is open
    let light = null;
    if (told.probe) light = panorama(await Monitor.source.bytes(key, told.probe, told.revision), "hdr");
    return { geometry: mesh.geometry, material, light };
  }

  // Have a surface's material show what a mode, of MODES by number, asks for.
  function dress({ geometry, material }, mode) {
    material.side = THREE.DoubleSide;
    const packed = "_packed" in geometry.attributes;
    material.defines = { ...material.defines, ...(packed ? { PACKED: "" } : {}), ...(material.userData.closed ? { CLOSED: "" } : {}) };
    material.onBeforeCompile = (shader) => {
      shader.uniforms.mode = mode;
      if (packed) {
        shader.vertexShader = "attribute vec4 _packed;\nvarying vec3 vPacked;\n" + shader.vertexShader
          .replace("#include <begin_vertex>", "#include <begin_vertex>\nvPacked = _packed.xyz;");
      }
      // Occlusion darkens all that a surface sends, as it was trained.
      const open = `float openShare = 1.0;
        #ifdef PACKED
          openShare = vPacked.x;
        #elif defined(USE_AOMAP)
          openShare = texture2D(aoMap, vAoMapUv).r;
          #ifdef CLOSED
            openShare = 1.0 - openShare;
          #endif
        #endif
        outgoingLight *= openShare;\n`;
      let text = "uniform int mode;\n" + (packed ? "varying vec3 vPacked;\n" : "") + shader.fragmentShader;
      if (packed) {
        text = text
          .replace("#include <roughnessmap_fragment>", "float roughnessFactor = vPacked.y;")
          .replace("#include <metalnessmap_fragment>", "float metalnessFactor = vPacked.z;");
      }
      shader.fragmentShader = text
        .replace("#include <aomap_fragment>", "")
        .replace("#include <opaque_fragment>", `${open}#include <opaque_fragment>`)
        .replace("#include <dithering_fragment>", `#include <dithering_fragment>\n${SHOWN}`);
    };
  }

  // Whether two lights, in half precision, are nearly the same: blurring one takes its time.
  function alike(a, b) {
    if (a.length !== b.length) return false;
    let differing = 0;
    // 51 steps of a half are some five hundredths of its value.
    for (let place = 0; place < a.length; place += 1) if (Math.abs(a[place] - b[place]) > 51) differing += 1;
    return differing < a.length * 0.02;
  }

  // Where most of a mesh is: a crumb that floats far away does not count.
  function middle(geometry) {
    const places = geometry.attributes.position;
    const step = Math.max(1, Math.floor(places.count / 5000));
    const axes = [[], [], []];
    for (let row = 0; row < places.count; row += step) {
      axes[0].push(places.getX(row));
      axes[1].push(places.getY(row));
      axes[2].push(places.getZ(row));
    }
    const ends = axes.map((values) => {
      values.sort((a, b) => a - b);
      const spare = Math.floor(values.length * 0.005);
      return [values[spare], values[values.length - 1 - spare]];
    });
    const size = Math.hypot(...ends.map(([low, high]) => high - low)) / 2;
    return { point: new THREE.Vector3(...ends.map(([low, high]) => (low + high) / 2)), radius: Math.max(size * 0.86, 1e-6) };
  }

  function panorama(buffer, kind) {
    const bytes = ArrayBuffer.isView(buffer) ? buffer.slice().buffer : buffer;
    const loader = kind === "exr" ? new THREE.EXRLoader() : new THREE.HDRLoader();
    const read = loader.parse(bytes);
    const texture = new THREE.DataTexture(read.data, read.width, read.height, read.format ?? THREE.RGBAFormat, read.type);
    texture.mapping = THREE.EquirectangularReflectionMapping;
    texture.colorSpace = THREE.LinearSRGBColorSpace;
    texture.minFilter = texture.magFilter = THREE.LinearFilter;
    texture.flipY = kind !== "exr";
    texture.needsUpdate = true;
    return texture;
  }

  return { MODES, glb, obj, dress, alike, middle, panorama };
})();
