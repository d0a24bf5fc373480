"use strict";
const faults = [];
addEventListener("error", (e) => faults.push(String(e.message)));
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const tip = document.getElementById("tip");
  const box = (i) => document.getElementById("on-m" + i);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  document.body.classList.add("live");

  // Names at the ends of lines: as near to their lines as they fit without overlapping.
  const spread = (wanted, gap, low, high) => {
    const places = wanted.slice();
    const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b]);
    const groups = [];
    for (const i of order) {
      let group = { at: wanted[i], members: [i] };
      for (;;) {
        const half = (gap * (group.members.length - 1)) / 2;
        group.at = Math.max(Math.min(group.at, high - half), low + half);
        const before = groups.pop();
        if (!before) break;
        if (group.at - before.at >= (gap * (before.members.length + group.members.length)) / 2) {
          groups.push(before);
          break;
        }
        const members = before.members.concat(group.members);
        group = { at: members.reduce((sum, m) => sum + wanted[m], 0) / members.length, members };
      }
      groups.push(group);
    }
    for (const { at, members } of groups) {
      members.forEach((m, k) => (places[m] = at + gap * (k - (members.length - 1) / 2)));
    }
    return places;
  };
  const arrange = () => {
    for (const names of all("g.names")) {
      const shown = [...names.children].filter((g) => box(+g.getAttribute("class").slice(1)).checked);
      const [low, high] = names.dataset.range.split(" ").map(Number);
      const places = spread(shown.map((g) => +g.dataset.y), +names.dataset.gap, low, high);
      shown.forEach((g, i) => {
        const lead = g.querySelector(".lead");
        if (lead) {
        const points = lead.getAttribute("points").split(" ");
        lead.setAttribute("points", points[0] + " " + points[1].split(",")[0] + "," + places[i]);
        }
        g.querySelector("text").setAttribute("y", places[i] + 4);
      });
    }
    // What is highlighted is drawn last.
    for (const panel of all("g.panel")) {
      panel.append(...[...panel.children].filter((g) => box(+g.getAttribute("class").slice(1)).checked));
    }
  };
  for (const input of all(".boxes input")) input.addEventListener("change", arrange);
  for (const button of all("[data-choice]")) {
    button.addEventListener("click", () => {
      for (const input of all(".boxes input")) {
        const choice = button.dataset.choice;
        input.checked = choice === "all" || (choice === "default" && input.dataset.default === "on");
      }
      arrange();
    });
  }
  // A browser may remember boxes over a reload.
  arrange();

  // Values below the pointer.
  const nice = (v) => {
    const text = Math.abs(v) >= 1e4 ? Math.round(v).toLocaleString("en").replaceAll(",", "\u202f") : String(+v.toPrecision(4));
    return text.replace("-", "\u2212");
  };
  const element = (name, text, style) => {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    if (style) e.style.cssText = style;
    return e;
  };
  let cross = null;
  const hide = () => {
    tip.hidden = true;
    if (cross) cross.remove();
    cross = null;
  };
  const show = (svg, event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    for (const panel of all("g.panel", svg)) {
      const [left, top, width, height, low, high] = panel.dataset.place.split(" ").map(Number);
      const known = data.figures[panel.dataset.key];
      if (!known || at.x < left || at.x > left + width || at.y < top - 4 || at.y > top + height + 4) continue;
      const wanted = low + ((at.x - left) / width) * (high - low);
      let nearest = null;
      for (const points of known.points) {
        for (const [x] of points) if (nearest === null || Math.abs(x - wanted) < Math.abs(nearest - wanted)) nearest = x;
      }
      if (nearest === null) continue;
      const rows = [];
      known.points.forEach((points, i) => {
        const point = points.find(([x]) => x === nearest);
        if (point && point[1] !== null && box(i).checked) rows.push([i, point]);
      });
      rows.sort((a, b) => b[1][1] - a[1][1]);
      hide();
      tip.replaceChildren(element("b", known.x + " " + nice(nearest)));
      for (const [i, [, point, from, to]] of rows.slice(0, 16)) {
        const row = element("div");
        const swatch = element("span");
        swatch.className = "swatch m" + i;
        swatch.style.margin = "0";
        const value = element("span", nice(point) + " ");
        if (from !== null && to !== null) value.append(element("small", "[" + nice(from) + ", " + nice(to) + "]"));
        row.append(swatch, element("span", data.methods[i]), value);
        tip.append(row);
      }
      if (rows.length > 16) tip.append(element("small", "and " + (rows.length - 16) + " more"));
      const x = left + ((nearest - low) / (high - low)) * width;
      cross = document.createElementNS("http://www.w3.org/2000/svg", "line");
      for (const [name, value] of Object.entries({ x1: x, x2: x, y1: top, y2: top + height, class: "cross" })) {
        cross.setAttribute(name, value);
      }
      svg.append(cross);
      tip.hidden = false;
      const size = tip.getBoundingClientRect();
      const beside = event.clientX + 18 + size.width > innerWidth ? event.clientX - 18 - size.width : event.clientX + 18;
      tip.style.left = Math.max(4, beside) + "px";
      tip.style.top = Math.max(4, Math.min(event.clientY - 20, innerHeight - size.height - 8)) + "px";
      return;
    }
    hide();
  };
  for (const svg of all("figure>svg")) {
    svg.addEventListener("pointermove", (event) => show(svg, event));
    svg.addEventListener("pointerleave", hide);
  }
  addEventListener("scroll", hide, { passive: true });

  // Tables by any of their columns.
  for (const table of all("table.sortable")) {
    table.classList.add("live");
    const body = table.tBodies[0];
    const first = [...body.rows];
    all("thead th", table).forEach((head, column) => {
      head.tabIndex = 0;
      const sort = () => {
        const before = head.getAttribute("aria-sort");
        for (const other of all("thead th", table)) other.removeAttribute("aria-sort");
        if (column === 0 || before === "ascending") return body.append(...first);
        const way = before === "descending" ? 1 : -1;
        head.setAttribute("aria-sort", way === 1 ? "ascending" : "descending");
        const key = (row) => parseFloat(row.cells[column].dataset.sort);
        const known = first.filter((row) => !isNaN(key(row)));
        const rest = first.filter((row) => isNaN(key(row)));
        body.append(...known.sort((a, b) => way * (key(a) - key(b))), ...rest);
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => event.key === "Enter" && sort());
    });
  }

  // `report.html?selftest` does what people can do, and writes down what came of it.
  if (location.search === "?selftest") {
    const report = { figures: {}, tips: 0, names: 0, sorted: 0 };
    const size = (svg) => svg.getBoundingClientRect();
    const visible = (figure) => all("svg", figure).find((svg) => size(svg).width > 0);
    const point = (figure, svg) => {
      for (const panel of all("g.panel", svg)) {
        const [left, top, width, height] = panel.dataset.place.split(" ").map(Number);
        const at = new DOMPoint(left + width / 2, top + height / 2).matrixTransform(svg.getScreenCTM());
        svg.dispatchEvent(new PointerEvent("pointermove", { clientX: at.x, clientY: at.y }));
        if (!tip.hidden && tip.children.length > 1) report.tips += 1;
      }
    };
    for (const button of all("[data-choice]")) {
      button.click();
      const counted = all("g.names text").filter((text) => text.getBoundingClientRect().width > 0).length;
      report.names = Math.max(report.names, counted);
    }
    for (const figure of all("figure")) {
      const svg = visible(figure);
      if (!svg) continue;
      const { width, height } = size(svg);
      report.figures[figure.id] = [Math.round(width), Math.round(height)];
      point(figure, svg);
    }
    for (const head of all("table.sortable thead th")) {
      head.click();
      report.sorted += head.hasAttribute("aria-sort") ? 1 : 0;
    }
    report.scroll = document.documentElement.scrollWidth - innerWidth;
    report.faults = faults;
    document.body.append(Object.assign(element("pre", JSON.stringify(report)), { id: "selftest" }));
  }
})();
