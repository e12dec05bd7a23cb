// Two or three panes that show the same crop of pictures of the same size, at the same zoom.
const FLICKER = 600; // milliseconds for each of the two
const LARGEST = 8;

export class Viewer {
  constructor(stage, output) {
    this.stage = stage;
    this.output = output;
    this.size = { width: 1, height: 1 };
    this.scale = 1;
    this.centre = { x: 0.5, y: 0.5 }; // what stands in the middle of each pane, in 0..1
    this.pointers = new Map();
    this.timer = 0;
    stage.dataset.turn = "left";
    for (const pane of stage.querySelectorAll(".pane")) this.#listen(pane);
    new ResizeObserver(() => this.#place()).observe(stage);
  }

  get flickering() { return this.stage.dataset.view === "flicker"; }

  // All pictures appear at once, when all are decoded: none is judged while it loads.
  async show(trial) {
    this.stage.dataset.waiting = "true";
    const pictures = [["#pane-left .picture", trial.left], ["#pane-right .picture", trial.right],
      [".original", trial.original]];
    const images = pictures.flatMap(([selector, address]) =>
      Array.from(this.stage.querySelectorAll(selector), (image) => [image, address]));
    for (const [image, address] of images) image.src = address;
    this.size = trial;
    this.scale = Math.max(Math.floor(this.#fitting()), 1);
    this.centre = { x: 0.5, y: 0.5 };
    this.stage.dataset.turn = "left";
    await Promise.all(images.map(([image]) => image.decode()));
    this.#place();
    this.stage.dataset.waiting = "false";
  }

  preload(trial) {
    this.ahead = [trial.left, trial.right, trial.original].map((address) => {
      const image = new Image();
      image.src = address;
      image.decode().catch(() => {});
      return image;
    });
  }

  showOriginal(on) { this.stage.dataset.original = String(on); }

  toggleAbove() {
    const on = this.stage.dataset.above !== "true";
    this.stage.dataset.above = String(on);
    this.#place();
    return on;
  }

  toggleFlicker() {
    this.stage.dataset.view = this.flickering ? "pair" : "flicker";
    clearInterval(this.timer);
    if (this.flickering) this.timer = setInterval(() => this.#swap(), FLICKER);
    this.#place();
    return this.flickering;
  }

  // By hand: the clock stops.
  turn() {
    clearInterval(this.timer);
    this.#swap();
  }

  zoom(factor) { this.#zoomAt(factor, 0, 0); }
  fit() { this.scale = this.#fitting(); this.#place(); }
  full() { this.scale = 1; this.#place(); }
  pan(x, y) { this.#move(80 * x, 80 * y); }

  #swap() {
    this.stage.dataset.turn = this.stage.dataset.turn === "left" ? "right" : "left";
    this.#place();
  }

  #pane() { return [...this.stage.querySelectorAll(".pane")].find((p) => p.clientWidth > 0); }

  #fitting() {
    const pane = this.#pane();
    if (!pane) return 1;
    return Math.min(pane.clientWidth / this.size.width, pane.clientHeight / this.size.height);
  }

  // dx, dy: where the zoom holds still, in pixels from the middle of the pane.
  #zoomAt(factor, dx, dy) {
    const scale = Math.min(LARGEST, Math.max(Math.min(this.#fitting(), 1), this.scale * factor));
    const slide = 1 / this.scale - 1 / scale;
    this.scale = scale;
    this.centre.x += (dx * slide) / this.size.width;
    this.centre.y += (dy * slide) / this.size.height;
    this.#place();
  }

  #move(x, y) {
    this.centre.x -= x / this.scale / this.size.width;
    this.centre.y -= y / this.scale / this.size.height;
    this.#place();
  }

  #place() {
    const pane = this.#pane();
    if (!pane) return;
    this.#clamp("x", pane.clientWidth / this.scale / this.size.width);
    this.#clamp("y", pane.clientHeight / this.scale / this.size.height);
    for (const each of this.stage.querySelectorAll(".pane")) {
      const x = each.clientWidth / 2 - this.centre.x * this.size.width * this.scale;
      const y = each.clientHeight / 2 - this.centre.y * this.size.height * this.scale;
      const transform = `translate(${Math.round(x)}px, ${Math.round(y)}px) scale(${this.scale})`;
      for (const image of each.querySelectorAll("img")) image.style.transform = transform;
    }
    this.stage.dataset.sharp = String(this.scale >= 1.5);
    this.output.value = `${Math.round(100 * this.scale)} %`;
  }

  // `share` of the picture's side is visible: the crop stays inside, a smaller picture in the middle.
  #clamp(axis, share) {
    const half = share / 2;
    this.centre[axis] = share >= 1 ? 0.5 : Math.min(1 - half, Math.max(half, this.centre[axis]));
  }

  #listen(pane) {
    const fromMiddle = (event) => {
      const box = pane.getBoundingClientRect();
      return [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
    };
    pane.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.#zoomAt(2 ** (-Math.sign(event.deltaY) / 2), ...fromMiddle(event));
    }, { passive: false });
    pane.addEventListener("pointerdown", (event) => {
      pane.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    pane.addEventListener("pointermove", (event) => this.#drag(event, fromMiddle(event)));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      pane.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    }
  }

  // One finger or the mouse moves the crop, two fingers zoom.
  #drag(event, middle) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.pointers.set(event.pointerId, now);
    if (!other) return this.#move(now[0] - before[0], now[1] - before[1]);
    const distance = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
    this.#zoomAt(distance(now) / distance(before), ...middle);
  }
}
