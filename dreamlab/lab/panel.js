if (!window.dreamlabNames) document.addEventListener('focusin', event => {
const part = event.target, box = part.closest('.dreamlab .widget-inline-hbox');
if (box && part.matches('.noUi-handle, .ui-slider-handle, select')) part.setAttribute(
'aria-label', box.querySelector('label')?.innerText || part.title)});
window.dreamlabNames = true
