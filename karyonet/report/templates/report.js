"use strict";
// Shows the chromosome that a reader points at: in karyogram and metaphase, with its homolog, and what is known of it.
for (const reading of document.querySelectorAll(".reading")) {
  const beside = reading.querySelector(".beside"), panel = reading.querySelector(".panel");
  const hint = panel.querySelector(".hint"), known = panel.querySelector(".known");
  const facts = known.querySelector("dl"), drawing = known.querySelector("use");
  const links = [...reading.querySelectorAll("a[data-chromosome]")];
  const marks = [...reading.querySelectorAll("[data-chromosome]")];
  let kept = false;

  const open = (any) => {
    hint.hidden = any;
    known.hidden = !any;
    beside.classList.toggle("open", any);
  };

  const clear = () => {
    for (const mark of marks) mark.classList.remove("shown", "partner");
    kept = false;
    open(false);
  };

  // The words of the panel are those of the table, so that nothing is said twice over.
  const describe = (key) => {
    const row = document.getElementById("chromosome-" + key);
    const titles = row.closest("table").querySelectorAll("th");
    facts.replaceChildren();
    [...row.cells].forEach((cell, number) => {
      if (["", "–"].includes(cell.textContent.trim())) return;
      const title = document.createElement("dt"), value = document.createElement("dd");
      title.textContent = titles[number].textContent;
      value.append(...cell.cloneNode(true).childNodes);
      facts.append(title, value);
    });
  };

  const draw = (name) => {
    const box = name && document.getElementById(name).viewBox.baseVal;
    drawing.setAttribute("href", name ? "#" + name : "#");
    drawing.setAttribute("width", box ? box.width : 0);
    drawing.setAttribute("height", box ? box.height : 0);
  };

  const show = (mark) => {
    const { chromosome, homolog, ideogram } = mark.dataset;
    for (const other of marks) {
      other.classList.toggle("shown", other.dataset.chromosome === chromosome);
      other.classList.toggle("partner", other.dataset.chromosome === homolog);
    }
    describe(chromosome);
    draw(ideogram);
    open(true);
  };

  // The next one on the line, or the nearest of the line above or below.
  const next = (link, key) => {
    const at = links.indexOf(link);
    if (key === "ArrowLeft") return links[at - 1];
    if (key === "ArrowRight") return links[at + 1];
    const from = link.getBoundingClientRect(), down = key === "ArrowDown";
    const distance = (to) => Math.abs(to.left + to.right - from.left - from.right) + 6 * Math.abs(to.bottom - from.bottom);
    return links
      .map((other) => [other, other.getBoundingClientRect()])
      .filter(([, to]) => (down ? to.top >= from.bottom : to.bottom <= from.top))
      .sort(([, one], [, other]) => distance(one) - distance(other))[0]?.[0];
  };

  const marked = (event) => event.target.closest("[data-chromosome]");

  reading.addEventListener("pointerover", (event) => {
    if (!kept && event.pointerType === "mouse" && marked(event)) show(marked(event));
  });
  reading.addEventListener("focusin", (event) => {
    if (!marked(event)) return;
    kept = false;
    show(marked(event));
  });
  reading.addEventListener("click", (event) => {
    const mark = marked(event);
    if (!mark) return;
    event.preventDefault();
    if (kept && mark.classList.contains("shown")) return clear();
    show(mark);
    kept = true;
    // On a small screen what is known covers the lower part.
    links.find((link) => link.dataset.chromosome === mark.dataset.chromosome)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  reading.addEventListener("keydown", (event) => {
    const to = event.key.startsWith("Arrow") && marked(event) && next(marked(event), event.key);
    if (!to) return;
    event.preventDefault();
    to.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") clear();
  });
  panel.hidden = false;
}
