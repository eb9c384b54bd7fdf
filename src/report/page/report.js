(() => {
  const pointer = document.getElementById("pointer");
  const row = (line, spot) => {
    const div = document.createElement("div");
    const dot = document.createElement("i");
    dot.className = line.class;
    div.append(dot, `${line.name}: ${spot[3]}`);
    return div;
  };
  const hide = (svg) => {
    pointer.hidden = true;
    svg.querySelector(".hair").setAttribute("transform", "translate(0 0)");
  };
  const show = (svg, data, event) => {
    const box = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    let best = null, far = Infinity;
    for (const line of data.lines) for (const spot of line.spots) {
      const away = (spot[0] - x) ** 2 + 0.05 * (spot[1] - y) ** 2;
      if (away < far) { far = away; best = spot; }
    }
    if (!best) return hide(svg);
    const head = document.createElement("b");
    head.textContent = `${data.x}: ${best[2]}`;
    pointer.replaceChildren(head);
    for (const line of data.lines) {
      const away = (spot) => Math.abs(spot[0] - best[0]);
      const spot = line.spots.reduce((a, b) => (a && away(a) <= away(b) ? a : b), null);
      if (spot && away(spot) < 4) pointer.append(row(line, spot));
    }
    svg.querySelector(".hair").setAttribute("transform", `translate(${best[0] + 9} 0)`);
    pointer.hidden = false;
    const at = box.left + best[0] / scale, wide = pointer.offsetWidth, edge = document.documentElement.clientWidth;
    const left = at + 14 + wide < edge ? at + 14 : Math.max(4, at - 14 - wide);
    const above = event.clientY - pointer.offsetHeight - 14;
    const top = above > 4 ? above : event.clientY + 18;
    pointer.style.transform = `translate(${Math.max(0, Math.min(left, edge - wide - 4))}px, ${top}px)`;
  };
  for (const svg of document.querySelectorAll("svg[data-hover]")) {
    let data = null;
    const move = (event) => show(svg, data ??= JSON.parse(svg.dataset.hover), event);
    svg.addEventListener("pointermove", move);
    svg.addEventListener("pointerdown", move);
    svg.addEventListener("pointerleave", () => hide(svg));
  }
})();
