// The button of a sample goes from one of its clips to the next and plays on from the same place.
for (const sample of document.querySelectorAll(".sample")) {
  const clips = [...sample.querySelectorAll(".clip")];
  const sounds = clips.map((clip) => clip.querySelector("audio"));
  const button = sample.querySelector("button");
  let chosen = -1;
  const mark = () => clips.forEach((clip, i) => clip.classList.toggle("on", i === chosen));
  sounds.forEach((sound, i) =>
    sound.addEventListener("play", () => {
      document.querySelectorAll("audio").forEach((other) => other !== sound && other.pause());
      chosen = i;
      mark();
    }),
  );
  if (!button) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    const before = sounds[chosen];
    const next = (chosen + 1) % sounds.length;
    const at = before ? before.currentTime : 0;
    if (before) before.pause();
    sounds[next].currentTime = before && before.ended ? 0 : at;
    sounds[next].play();
  });
}
