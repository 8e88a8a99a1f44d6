"use strict";
// The theme, and players: films that keep step.
//
//   frame n is shown from n / rate to (n + 1) / rate; a seek goes to its middle
//   playing, the first film is the clock: the others are hurried or held by what they are apart,
//   and set to its time where that is more than a frame

for (const choice of document.querySelectorAll("input[name=theme]")) {
  const root = document.documentElement;
  choice.checked = choice.value === (root.dataset.theme ?? "auto");
  choice.addEventListener("change", () => {
    if (choice.value === "auto") delete root.dataset.theme;
    else root.dataset.theme = choice.value;
    try {
      localStorage.setItem("pv_vae_jax.theme", choice.value);
    } catch {
      // No storage: it holds until the page is closed.
    }
  });
}

class Player {
  constructor(root) {
    this.root = root;
    this.rate = Number(root.dataset.rate);
    this.frames = Number(root.dataset.frames);
    this.frame = 0;
    this.playing = false;
    this.turn = 0; // of what was asked last; older waits give up
    const find = (name) => root.querySelector(`.${name}`);
    this.clips = [...root.querySelectorAll(".clip")];
    this.choice = find("choice");
    this.toggle = find("toggle");
    this.scrubber = find("scrubber");
    this.number = find("number");
    this.speed = find("speed");
    this.lost = new Set(); // films that the browser cannot play
    for (const video of root.querySelectorAll("video")) {
      video.controls = false;
      lastSource(video).addEventListener("error", () => this.lost.add(video));
    }
    this.choice.addEventListener("change", () => this.choose(this.choice.selectedIndex));
    this.toggle.addEventListener("click", () => this.playOrPause());
    find("back").addEventListener("click", () => this.step(-1));
    find("on").addEventListener("click", () => this.step(1));
    this.scrubber.addEventListener("input", () => this.seek(Number(this.scrubber.value)));
    this.choose(0);
  }

  choose(index) {
    this.clips.forEach((clip, i) => clip.classList.toggle("shown", i === index));
    for (const video of this.root.querySelectorAll("video")) video.pause();
    this.videos = [...this.clips[index].querySelectorAll("video")];
    for (const video of this.videos) {
      if (video.preload !== "auto") {
        video.preload = "auto";
        video.load();
      }
    }
    this.seek(0);
  }

  time(frame) {
    return (frame + 0.5) / this.rate;
  }

  seek(frame) {
    this.pause();
    this.settle(Math.min(Math.max(frame, 0), this.frames - 1));
  }

  step(count) {
    this.seek(this.frame + count);
  }

  // Sets all films to a frame; resolves to whether nothing else was asked meanwhile.
  async settle(frame) {
    const turn = ++this.turn;
    this.paint(frame);
    await Promise.all(this.videos.map((video) => this.set(video, frame)));
    return turn === this.turn;
  }

  async set(video, frame) {
    if (video.readyState < HTMLMediaElement.HAVE_METADATA && !this.lost.has(video)) {
      await event(video, "loadedmetadata");
    }
    if (this.lost.has(video)) return;
    video.currentTime = this.time(frame);
    if (video.seeking) await event(video, "seeked");
  }

  playOrPause() {
    if (this.playing) this.seek(this.frame);
    else this.play(this.frame === this.frames - 1 ? 0 : this.frame);
  }

  pause() {
    this.playing = false;
    this.tell();
    for (const video of this.videos) video.pause();
  }

  async play(frame) {
    this.playing = true;
    this.tell();
    if (!(await this.settle(frame)) || !this.playing) return;
    const videos = this.videos.filter((video) => !this.lost.has(video));
    if (videos.length === 0) return;
    const turn = this.turn;
    for (const video of videos) {
      video.playbackRate = Number(this.speed.value);
      video.play().catch(() => {
        if (turn === this.turn) this.seek(this.frame); // the browser does not want to
      });
    }
    const [clock, ...others] = videos;
    clock.onended = () => {
      if (turn === this.turn && this.playing) this.play(0);
    };
    const next = (step) =>
      clock.requestVideoFrameCallback
        ? clock.requestVideoFrameCallback((_, { mediaTime }) => step(mediaTime))
        : requestAnimationFrame(() => step(clock.currentTime));
    const step = (time) => {
      if (turn !== this.turn || !this.playing) return;
      this.paint(Math.min(Math.floor(time * this.rate + 0.01), this.frames - 1));
      this.nudge(clock, others);
      next(step);
    };
    next(step);
  }

  // Keeps the others with the clock.
  nudge(clock, others) {
    const speed = Number(this.speed.value);
    clock.playbackRate = speed;
    for (const video of others) {
      if (video.seeking || video.ended) continue;
      const late = (clock.currentTime - video.currentTime) * this.rate; // in frames
      if (Math.abs(late) > 1) video.currentTime = clock.currentTime;
      video.playbackRate = speed * (1 + Math.max(-0.5, Math.min(0.5, late / 2)));
    }
  }

  paint(frame) {
    this.frame = frame;
    this.scrubber.value = frame;
    this.number.textContent = frame;
    let withheld = false;
    for (const cell of this.root.querySelectorAll(".predicted")) {
      const hidden = frame >= Number(cell.dataset.observed);
      cell.classList.toggle("withheld", hidden);
      withheld ||= hidden && cell.closest(".shown") !== null;
    }
    const last = this.frames - 1;
    this.scrubber.setAttribute(
      "aria-valuetext",
      `frame ${frame} of ${last}${withheld ? ", withheld from the prediction" : ""}`,
    );
  }

  tell() {
    this.toggle.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    this.toggle.classList.toggle("playing", this.playing);
  }

  // Whether a key was meant for it.
  key(key) {
    if (key === " ") this.playOrPause();
    else if (key === "ArrowRight") this.step(1);
    else if (key === "ArrowLeft") this.step(-1);
    else if (key === "Home") this.seek(0);
    else if (key === "End") this.seek(this.frames - 1);
    else return false;
    return true;
  }

  seen() {
    const box = this.root.getBoundingClientRect();
    return box.top < innerHeight && box.bottom > 0;
  }
}

// An event of a film, or that of its last source, which tells that it will not come.
function event(video, name) {
  return new Promise((resolve) => {
    for (const each of [name, "error"]) video.addEventListener(each, resolve, { once: true });
    lastSource(video).addEventListener("error", resolve, { once: true });
  });
}

function lastSource(video) {
  return video.querySelector("source:last-of-type");
}

const players = [...document.querySelectorAll(".player")].map((root) => new Player(root));

// Keys that the focused element wants are its own; others go to the player around it, or, where
// nothing is focused, to the first player that is seen.
document.addEventListener("keydown", (press) => {
  if (press.altKey || press.ctrlKey || press.metaKey || press.shiftKey) return;
  const target = press.target;
  if (target.matches("select, input[type=radio], .scroll")) return;
  if (target.matches("button, a, summary") && press.key === " ") return;
  const inside = players.find((player) => player.root.contains(target));
  const free = target === document.body || target === document.documentElement;
  const player = inside ?? (free ? players.find((each) => each.seen()) : undefined);
  if (player?.key(press.key)) press.preventDefault();
});
