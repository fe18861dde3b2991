// The mesh under its light, from any side. Draws only when something changed.
"use strict";

Monitor.Viewer = (() => {
  const { element, surface } = Monitor;
  const QUARTER = Math.PI / 2; // the trainer's panoramas have -z in the middle, three.js's +x

  return class Viewer {
    constructor(label) {
      this.uniforms = { mode: { value: 0 } };
      this.followers = [];
      this.loaded = "";
      this._build(label);
    }

    _build(label) {
      this.message = element("p", { class: "message", role: "status" });
      this.canvas = element("canvas", {
        tabindex: "0",
        role: "img",
        "aria-label": `${label}: drag or arrow keys turn it, + and - move closer, Home shows all`,
      });
      const mode = element(
        "select",
        { onchange: (event) => this.setMode(event.target.selectedIndex) },
        ...surface.MODES.map((one) => element("option", { text: one })),
      );
      const flag = (text, work, on = false) => {
        const box = element("input", { type: "checkbox", checked: on, onchange: () => work(box.checked) });
        return element("label", { class: "flag" }, box, ` ${text}`);
      };
      this.from = element("select", { onchange: () => this._goTo(this.from.value), disabled: true }, element("option", { value: "", text: "free" }));
      const file = element("input", {
        type: "file", accept: ".hdr,.exr", class: "hidden", tabindex: "-1", "aria-hidden": "true",
        onchange: () => file.files.length && this._dropped(file.files[0]),
      });
      this.own = element("button", { type: "button", text: "Own light", disabled: true, onclick: () => this._light(this.probe, "") });
      const exposure = element("input", {
        type: "range", min: "-4", max: "4", step: "0.1", value: "0",
        oninput: () => { this.exposure = 2 ** Number(exposure.value); this._expose(); },
      });
      this.exposure = 1;
      this.controls_node = element(
        "div",
        { class: "controls" },
        element("label", {}, "Show ", mode),
        element("label", {}, "View from ", this.from),
        element("label", {}, "Exposure ", exposure),
        flag("Wireframe", (on) => { this.wires = on; this._dress(); }),
        flag("Light", (on) => { this.backdrop = on; this._expose(); }),
        flag("Cameras", (on) => { this.showCameras = on; this._furnish(); }),
        flag("Grid box", (on) => { this.showBox = on; this._furnish(); }),
        element("button", { type: "button", text: "Another light …", title: "a panorama, .hdr or .exr; or drop one on the picture", onclick: () => file.click() }),
        file,
        this.own,
        element("button", { type: "button", text: "Show all", onclick: () => this.frame() }),
      );
      this.stage = element("div", { class: "stage" }, this.canvas, this.message);
      this.node = element("div", { class: "viewer" }, this.stage, this.controls_node);
      this.stage.addEventListener("dragover", (event) => { event.preventDefault(); this.stage.classList.add("over"); });
      this.stage.addEventListener("dragleave", () => this.stage.classList.remove("over"));
      this.stage.addEventListener("drop", (event) => {
        event.preventDefault();
        this.stage.classList.remove("over");
        if (event.dataTransfer.files.length) this._dropped(event.dataTransfer.files[0]);
      });
      try {
        this.renderer = new THREE.WebGLRenderer({ canvas: this.canvas, antialias: true, alpha: true });
      } catch (error) {
        this._say("This browser shows no 3D (WebGL 2 is missing or off).");
        return;
      }
      this.renderer.toneMapping = THREE.NoToneMapping;
      this.scene = new THREE.Scene();
      this.scene.environmentRotation.y = QUARTER;
      this.scene.backgroundRotation.y = QUARTER;
      this.camera = new THREE.PerspectiveCamera(40, 1, 0.01, 100);
      this.camera.position.set(1.6, 1.1, 2.2);
      this.orbit = new THREE.OrbitControls(this.camera, this.canvas);
      this.orbit.addEventListener("change", () => this._moved());
      this.orbit.addEventListener("start", () => { this.chosen = true; });
      this.canvas.addEventListener("keydown", (event) => this._key(event));
      this.furniture = new THREE.Group();
      this.scene.add(this.furniture);
      this.pmrem = new THREE.PMREMGenerator(this.renderer);
      this.watcher = new ResizeObserver(() => this._resize());
      this.watcher.observe(this.stage);
    }

    dispose() {
      if (!this.renderer) return;
      this.watcher.disconnect();
      this._drop();
      this.orbit.dispose();
      this.pmrem.dispose();
      this.renderer.dispose();
      this.renderer.forceContextLoss();
      this.renderer = null;
    }

    // -- what is shown ------------------------------------------------------------------------
    async load(key, mesh) {
      if (!this.renderer) return;
      if (!mesh) {
        if (!this.loaded) this._say("No mesh yet: it appears with the first iterations.");
        return;
      }
      const revision = `${mesh.key} ${mesh.revision}`;
      if (revision === this.loaded || this.loading) return;
      this.loading = true;
      try {
        const bytes = await Monitor.source.bytes(key, mesh.key, mesh.revision);
        const made = mesh.kind === "glb" ? await surface.glb(bytes) : await surface.obj(key, mesh, bytes);
        if (!this.renderer) return;
        surface.dress(made, this.uniforms.mode);
        this._put(made);
        this.loaded = revision;
        this.node.dataset.revision = revision;
        this._say("");
      } catch (error) {
        // While it is replaced, it may be gone for a moment: the next look finds it.
        if (!this.loaded) this._say(`The mesh cannot be shown: ${error.message}`);
      } finally {
        this.loading = false;
      }
    }

    _put({ geometry, material, light }) {
      this._drop();
      this.mesh = new THREE.Mesh(geometry, material);
      this.scene.add(this.mesh);
      geometry.computeBoundingSphere();
      this.centre = surface.middle(geometry);
      this.triangles = (geometry.index ? geometry.index.count : geometry.attributes.position.count) / 3;
      this._dress();
      if (!this.framed) this.frame();
      this._furnish();
      this._probe(light);
      this.draw();
    }

    _drop() {
      for (const one of [this.mesh, this.wire]) {
        if (!one) continue;
        this.scene.remove(one);
        for (const value of Object.values(one.material)) if (value && value.isTexture) value.dispose();
        one.material.dispose();
      }
      if (this.mesh) this.mesh.geometry.dispose();
      this.mesh = this.wire = null;
    }

    _dress() {
      if (!this.mesh) return;
      if (this.wire) { this.scene.remove(this.wire); this.wire.material.dispose(); this.wire = null; }
      if (this.wires) {
        const lines = new THREE.MeshBasicMaterial({ color: 0x2f81f7, wireframe: true, transparent: true, opacity: 0.55 });
        this.wire = new THREE.Mesh(this.mesh.geometry, lines);
        this.scene.add(this.wire);
      }
      this.draw();
    }

    setMode(number) {
      this.uniforms.mode.value = number;
      this.draw();
    }

    // -- light --------------------------------------------------------------------------------
    _probe(light) {
      if (!light || (this.probe && surface.alike(this.probe.image.data, light.image.data))) return;
      const former = this.probe;
      this.probe = light;
      if (!this.foreign) {
        this._light(light, "");
      }
      if (former) former.dispose();
    }

    async _dropped(file) {
      try {
        const kind = file.name.toLowerCase().endsWith(".exr") ? "exr" : "hdr";
        this._light(surface.panorama(await file.arrayBuffer(), kind), file.name);
        this._say("");
      } catch (error) {
        const said = "That is no panorama: drop a Radiance .hdr or an OpenEXR .exr.";
        this._say(said);
        setTimeout(() => { if (this.message.textContent === said) this._say(""); }, 8000);
      }
    }

    _light(texture, name) {
      this.foreign = name;
      this.own.disabled = !name;
      this.node.dataset.light = name;
      if (!texture) return;
      this.light = texture;
      const former = this.filtered;
      this.filtered = this.pmrem.fromEquirectangular(texture);
      this.scene.environment = this.filtered.texture;
      if (former) former.dispose();
      this._expose();
    }

    _expose() {
      if (!this.renderer) return;
      this.scene.environmentIntensity = this.exposure;
      this.scene.background = this.backdrop && this.light ? this.light : null;
      this.scene.backgroundIntensity = this.exposure;
      this.draw();
    }

    // -- cameras ------------------------------------------------------------------------------
    setScene(told) {
      this.told = told || {};
      const views = this.told.views || [];
      this.from.replaceChildren(
        element("option", { value: "", text: "free" }),
        ...views.map((one, number) => element("option", { value: String(number), text: one.name || String(number) })),
      );
      this.from.disabled = !views.length;
      this._furnish();
    }

    _furnish() {
      if (!this.renderer) return;
      for (const one of [...this.furniture.children]) {
        this.furniture.remove(one);
        one.geometry?.dispose();
        one.material?.map?.dispose();
        one.material?.dispose();
      }
      const { box, views = [] } = this.told || {};
      const colour = getComputedStyle(this.stage).getPropertyValue("color");
      if (this.showBox && box) {
        const half = new THREE.Vector3(box / 2, box / 2, box / 2);
        this.furniture.add(new THREE.Box3Helper(new THREE.Box3(half.clone().negate(), half), new THREE.Color(colour)));
      }
      if (this.showCameras && views.length) {
        const size = 0.12 * (box || 2 * this._radius());
        const points = [];
        for (const view of views) {
          const pose = new THREE.Matrix4().fromArray(view.matrix);
          const y = size * Math.tan(view.fovy / 2);
          const x = y * view.aspect;
          const corners = [[-x, y], [x, y], [x, -y], [-x, -y]].map(([a, b]) => new THREE.Vector3(a, b, -size).applyMatrix4(pose));
          const centre = new THREE.Vector3().applyMatrix4(pose);
          corners.forEach((corner, number) => points.push(centre, corner, corner, corners[(number + 1) % 4]));
          if (view.photograph) {
            const plane = new THREE.Mesh(new THREE.PlaneGeometry(2 * x, 2 * y), new THREE.MeshBasicMaterial({ side: THREE.DoubleSide }));
            plane.position.set(0, 0, -size);
            plane.applyMatrix4(pose);
            new THREE.TextureLoader().load(view.photograph, (texture) => {
              texture.colorSpace = THREE.SRGBColorSpace;
              plane.material.map = texture;
              plane.material.needsUpdate = true;
              this.draw();
            });
            this.furniture.add(plane);
          }
        }
        const lines = new THREE.BufferGeometry().setFromPoints(points);
        this.furniture.add(new THREE.LineSegments(lines, new THREE.LineBasicMaterial({ color: 0xe07b00 })));
      }
      this.draw();
    }

    _goTo(number) {
      const view = number === "" ? null : (this.told.views || [])[Number(number)];
      if (!view || !this.renderer) return;
      this.chosen = true;
      const pose = new THREE.Matrix4().fromArray(view.matrix);
      const eye = new THREE.Vector3().setFromMatrixPosition(pose);
      const ahead = new THREE.Vector3(0, 0, -1).transformDirection(pose);
      const centre = this._centre();
      const distance = Math.max(centre.clone().sub(eye).dot(ahead), 0.1);
      this.camera.position.copy(eye);
      this.orbit.target.copy(eye).addScaledVector(ahead, distance);
      this.camera.fov = (view.fovy * 180) / Math.PI;
      this.going = true;
      this._clip();
      this.orbit.update();
      this._moved();
      this.going = false;
    }

    frame() {
      if (!this.mesh) return;
      const radius = this._radius();
      const centre = this._centre();
      const away = this.camera.position.clone().sub(this.orbit.target).normalize();
      this.camera.fov = 40;
      const narrow = Math.min(1, this.camera.aspect);
      const distance = (1.05 * radius) / Math.sin((this.camera.fov * Math.PI) / 360) / narrow;
      this.camera.position.copy(centre).addScaledVector(away, distance);
      this.orbit.target.copy(centre);
      this.framed = true;
      this.chosen = false;
      this._clip();
      this.orbit.update();
      this._moved();
    }

    _radius() { return this.mesh ? this.centre.radius : 1; }
    _centre() { return this.mesh ? this.centre.point.clone() : new THREE.Vector3(); }

    _clip() {
      const distance = this.camera.position.distanceTo(this.orbit.target);
      const reach = distance + 20 * this._radius();
      this.camera.near = reach / 1e4;
      this.camera.far = reach * 2;
      this.camera.updateProjectionMatrix();
    }

    // Another viewer follows this one's camera, and the other way round.
    lock(other) {
      this.followers.push(other);
      other.followers.push(this);
    }

    _moved() {
      if (!this.renderer) return;
      if (!this.going && this.from.value && !this.following) this.from.value = "";
      this._clip();
      for (const one of this.followers) {
        if (this.following || !one.renderer) continue;
        one.following = true;
        one.camera.position.copy(this.camera.position);
        one.camera.fov = this.camera.fov;
        one.orbit.target.copy(this.orbit.target);
        one.framed = one.chosen = true;
        one.orbit.update();
        one._moved();
        one.following = false;
      }
      this.draw();
    }

    _key(event) {
      const step = 0.12;
      const offset = this.camera.position.clone().sub(this.orbit.target);
      const turn = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
      const zoom = { "+": 0.9, "=": 0.9, "-": 1 / 0.9 }[event.key];
      if (turn) {
        const length = offset.length();
        const polar = Math.min(Math.max(Math.acos(offset.y / length) + turn[1], 0.02), Math.PI - 0.02);
        const azimuth = Math.atan2(offset.x, offset.z) + turn[0];
        offset.set(Math.sin(polar) * Math.sin(azimuth), Math.cos(polar), Math.sin(polar) * Math.cos(azimuth)).multiplyScalar(length);
      } else if (zoom) offset.multiplyScalar(zoom);
      else if (event.key === "Home") { this.frame(); event.preventDefault(); return; }
      else return;
      event.preventDefault();
      this.chosen = true;
      this.camera.position.copy(this.orbit.target).add(offset);
      this.orbit.update();
      this._moved();
    }

    // -- drawing ------------------------------------------------------------------------------
    _resize() {
      const width = this.stage.clientWidth, height = this.stage.clientHeight;
      if (!width || !height || !this.renderer) return;
      this.renderer.setPixelRatio(Math.min(window.devicePixelRatio || 1, 2));
      this.renderer.setSize(width, height, false);
      this.camera.aspect = width / height;
      this.camera.updateProjectionMatrix();
      // Until somebody has chosen a view, the whole mesh stays in the picture.
      if (this.framed && !this.chosen) this.frame();
      this.draw();
    }

    draw() {
      if (this.waiting || !this.renderer) return;
      this.waiting = requestAnimationFrame(() => {
        this.waiting = 0;
        if (!this.renderer) return;
        this.renderer.render(this.scene, this.camera);
        this.node.dataset.drawn = String(Number(this.node.dataset.drawn || 0) + 1);
      });
    }

    _say(text) { this.message.textContent = text; }
  };
})();
