"""How the page looks: theme without fonts from elsewhere, styles for phones, and what the browser is told first."""

import json
from typing import Any

import gradio as gr

_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans", "sans-serif"]
_MONO = ["ui-monospace", "Cascadia Mono", "DejaVu Sans Mono", "monospace"]

CSS = """
.gradio-container, .gradio-container > main {width: 100% !important;}
.gradio-container {max-width: 1400px !important; margin: 0 auto !important;}
footer {display: none !important;}
#head {align-items: center; flex-wrap: wrap;}
#head .head-title {font-size: 1.35rem; font-weight: 650; margin: 0;}
#head .head-links {display: flex; gap: .8rem; justify-content: flex-end; align-items: center; flex-wrap: wrap;}
#head .head-links a {text-decoration: none; opacity: .65; padding: .2rem 0;}
#head .head-links a[aria-current] {opacity: 1; font-weight: 650; border-bottom: 2px solid var(--color-accent);}
#head button.theme {background: none; border: 1px solid var(--border-color-primary); border-radius: 6px;
  padding: .15rem .6rem; cursor: pointer; color: inherit;}
.fields, .fields > .form {display: grid !important;
  grid-template-columns: repeat(auto-fill, minmax(min(210px, 100%), 1fr)) !important; align-items: start;}
.fields > .form {grid-column: 1 / -1; background: var(--block-background-fill) !important;}
.fields > *, .fields > .form > * {min-width: 0 !important; width: 100% !important; margin: 0 !important;}
.fields .long {grid-column: 1 / -1;}
.block:has(> .html-container > .prose:empty) {display: none !important;}
.no-effect {opacity: .6;}
.progress {display: flex; flex-direction: column; gap: .3rem;}
.progress .bar {height: 8px; border-radius: 4px; background: var(--border-color-primary); overflow: hidden;}
.progress .bar > div {height: 100%; background: var(--color-accent); transition: width .5s;}
.progress .bar.unknown > div {width: 30%; animation: wander 1.6s ease-in-out infinite alternate;}
@keyframes wander {from {margin-left: 0} to {margin-left: 70%}}
.progress .failed {color: var(--error-text-color, #b91c1c); white-space: pre-wrap;}
#problem {position: fixed; right: 1rem; bottom: 1rem; z-index: 1000; width: min(28rem, calc(100vw - 2rem));
  padding: 0 !important; background: none; border: none !important; box-shadow: none; overflow: visible;}
.problem {background: var(--background-fill-primary); border: 1px solid var(--error-border-color, #b91c1c);
  border-radius: 8px; padding: .7rem 1rem; margin-top: .5rem; box-shadow: 0 4px 16px rgb(0 0 0 / 25%);}
.problem > div {display: flex; justify-content: space-between; gap: 1rem;}
.problem b {color: var(--error-text-color, #b91c1c);}
.problem button {background: none; border: none; cursor: pointer; color: inherit; padding: 0 .3rem;}
.problem p {margin: .3rem 0 0; white-space: pre-line; overflow-wrap: anywhere;}
.slot {border: 1px solid var(--border-color-primary); border-radius: 8px; padding: .6rem;}
.facts table {width: 100%; border-collapse: collapse;}
.facts table, .facts tr, .facts td, .grid table, .grid tr, .grid th, .grid td {border: none;}
.facts td {padding: .2rem .5rem; border-bottom: 1px solid var(--border-color-primary); vertical-align: top;
  overflow-wrap: anywhere; white-space: pre-line;}
.facts td:first-child {opacity: .7; width: 35%;}
.grid {overflow-x: auto;}
.grid table {width: 100%; border-collapse: collapse; font-size: .92em;}
.grid th {text-align: left; font-weight: 600;}
.grid th, .grid td {padding: .25rem .5rem; border-bottom: 1px solid var(--border-color-primary); vertical-align: top;
  overflow-wrap: anywhere;}
.curve .chart {margin: 0;}
.curve svg {width: 100%; max-height: 320px; color: var(--body-text-color);}
.curve svg text {fill: currentColor; font-size: 12px;}
.curve .grid {stroke: var(--border-color-primary);}
.curve polyline {fill: none; stroke-width: 2;}
.curve polyline.thin {stroke: var(--color-accent); stroke-width: 1; opacity: .35;}
.curve polyline.main {stroke: var(--color-accent);}
.curve polyline.second {stroke: #d97706;}
.curve .key {display: inline-flex; align-items: center; margin-right: 1rem; font-size: .85em;}
.curve .key::before {content: ""; width: 18px; height: 3px; margin-right: .4rem; background: var(--color-accent);}
.curve .key.thin::before {opacity: .35;}
.curve .key.second::before {background: #d97706;}
.options-of {padding: .4rem .8rem 0; opacity: .75;}
.wave {position: relative; touch-action: none; user-select: none; cursor: crosshair; height: 96px;}
.wave svg {width: 100%; height: 100%; display: block;}
.wave .chosen {position: absolute; top: 0; bottom: 0; background: var(--color-accent); opacity: .28;}
.chips {gap: .35rem !important;}
.chips button {min-width: 0 !important; flex: 0 0 auto !important;}
@media (max-width: 640px) {
  .gradio-container {padding: .4rem !important;}
  .gradio-container button.lg {width: 100%;}
  #head > * {flex: 1 1 100% !important;}
  #head .head-title {font-size: 1.1rem; white-space: nowrap;}
}
"""

# The script runs before anything else of the page, whose own controls ask the browser for its language.
_HEAD = """
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<script>
Object.defineProperty(navigator, "language", {{get: () => {language}}});
Object.defineProperty(navigator, "languages", {{get: () => [{language}]}});
document.documentElement.lang = {language};
window.acestepTheme = (turn) => {{
  let dark = localStorage.getItem("acestep-theme");
  dark = dark === null ? matchMedia("(prefers-color-scheme: dark)").matches : dark === "dark";
  if (turn) {{ dark = !dark; localStorage.setItem("acestep-theme", dark ? "dark" : "light"); }}
  document.body.classList.toggle("dark", dark);
}};
addEventListener("load", () => setTimeout(() => window.acestepTheme(false), 50));
</script>
"""
_TAGS = {"en": "en", "zh": "zh-CN", "ja": "ja"}


def head(language: str) -> str:
    """What stands in the page's head."""
    return _HEAD.format(language=json.dumps(_TAGS.get(language, language)))


def theme() -> Any:
    """Of fonts that are on the machine."""
    return gr.themes.Default(primary_hue="indigo", neutral_hue="slate", font=_FONTS, font_mono=_MONO)
