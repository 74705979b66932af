// Keys. A single letter counts only outside fields, without modifiers and not
// while an input method composes.
on(document, 'keydown', e => {
	if (e.isComposing || e.repeat || e.defaultPrevented) return
	const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName), letter = e.key.length === 1 && !e.altKey && !e.ctrlKey && !e.metaKey
	const digit = e.altKey && /^Digit\d$/.test(e.code)
	const name = (e.ctrlKey ? 'Ctrl+' : '') + (e.altKey ? 'Alt+' : '') + (digit ? e.code.slice(5) : letter ? e.key.toLowerCase() : e.key)
	if (letter && 'nokeys' in document.body.dataset) return
	if (name === '?' && !typing && document.body.dataset.help) return location.assign(document.body.dataset.help)
	if (typing && !digit && !/^(F\d|Ctrl\+Enter|Alt\+u)/.test(name)) return
	const target = $$('[data-key]').find(x => x.dataset.key.split(' ').includes(name) && x.matches('a,button')), box = /^(\/|F4)$/.test(name) && $('#q')
	if (box || target) {
		e.preventDefault()
		return box ? box.focus() : target.click()
	}
	if (!/^(j|k|Arrow(Down|Up))$/.test(name)) return
	const all = $$('[data-row] .open'), at = all.findIndex(a => a.closest('[data-row]').contains(document.activeElement))
	const to = all[Math.max(at + (/j|n/.test(name) ? 1 : -1), 0)]
	// Outside of the rows the arrows scroll.
	if (!to || at < 0 && name[1]) return
	e.preventDefault()
	to.focus()
})
ready(document)
