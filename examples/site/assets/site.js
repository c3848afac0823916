// Small conveniences for the example site. Every page can be read without them.

const THEMES = ["auto", "light", "dark"];
const THEME_KEY = "cairn-theme";

// Storage may be switched off in the browser; the choice then lasts until the page is left.
function storedTheme() {
  try {
    const theme = localStorage.getItem(THEME_KEY);
    return THEMES.includes(theme) ? theme : "auto";
  } catch {
    return "auto";
  }
}

function storeTheme(theme) {
  try {
    localStorage.setItem(THEME_KEY, theme);
  } catch {
    // Nothing to do: see above.
  }
}

function applyTheme(theme, button) {
  if (theme === "auto") {
    delete document.documentElement.dataset.theme;
  } else {
    document.documentElement.dataset.theme = theme;
  }
  button.textContent = `Theme: ${theme}`;
}

// The button is made here, so that without scripts there is no button that does nothing.
function addThemeButton() {
  const button = document.createElement("button");
  let theme = storedTheme();
  button.type = "button";
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    applyTheme(theme, button);
    storeTheme(theme);
  });
  applyTheme(theme, button);
  document.querySelector("header").append(button);
}

// "/guide/index.html" and "/guide/" are one page; so are "/about.html" and "/about".
function pageName(pathname) {
  return pathname.replace(/\/index\.html$/, "/").replace(/\.html$/, "");
}

function markCurrentPage() {
  for (const link of document.querySelectorAll("nav a")) {
    if (pageName(link.pathname) === pageName(location.pathname)) {
      link.setAttribute("aria-current", "page");
    }
  }
}

function stoneItem({ name, role }) {
  const item = document.createElement("li");
  const title = document.createElement("strong");
  title.textContent = name;
  item.append(title, `: ${role}`);
  return item;
}

async function showStones(list) {
  try {
    const response = await fetch(list.dataset.source);
    if (!response.ok) {
      throw new Error(`status ${response.status}`);
    }
    const { stones } = await response.json();
    list.replaceChildren(...stones.map(stoneItem));
  } catch (error) {
    document.querySelector("#stones-note").append(` It could not be read: ${error.message}.`);
  }
}

addThemeButton();
markCurrentPage();

const stones = document.querySelector("#stones");
if (stones) {
  showStones(stones);
}
