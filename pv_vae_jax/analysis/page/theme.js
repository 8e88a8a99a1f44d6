"use strict";
// Before the page is painted: that there is a script, and the theme that was chosen here.
document.documentElement.classList.add("scripted");
try {
  const chosen = localStorage.getItem("pv_vae_jax.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // No storage: the system's theme.
}
