// Keys. A single letter counts only outside fields, without modifiers and not
// while an input method composes.
on(document, 'keydown', e => {
	if (e.isComposing || e.repeat || e.defaultPrevented) return
	const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName), letter = e.key.length === 1 && !e.altKey && !e.ctrlKey && !e.metaKey
	const digit = e.altKey && /^Digit\d$/.test(e.code)
	const name = (e.ctrlKey ? 'Ctrl+' : '') + (e.altKey ? 'Alt+' : '') + (digit ? e.code.slice(5) : letter ? e.key.toLowerCase() : e.key)
	if (typing && !digit && !/^(F\d|Ctrl\+Enter|Alt\+u)/.test(name)) return
	const target = $$('[data-key]').find(x => x.dataset.key === name && /^(A|BUTTON)$/.test(x.tagName))
	if (target) {
		e.preventDefault()
		return target.click()
	}
	if (name !== 'j' && name !== 'k') return
	const all = $$('[data-row] .open'), at = all.findIndex(a => a.closest('[data-row]').contains(document.activeElement))
	const to = all[name === 'j' ? Math.min(at + 1, all.length - 1) : Math.max(at - 1, 0)]
	if (to) to.focus()
})
ready(document)
