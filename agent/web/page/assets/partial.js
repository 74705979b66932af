// Helpers, and the swap of live parts that keeps focus and open details.
'use strict'
const $ = (s, r) => (r || document).querySelector(s), $$ = (s, r) => [...(r || document).querySelectorAll(s)]
const parse = html => new DOMParser().parseFromString(html, 'text/html')
const asSent = new WeakMap()
const on = (el, type, fn) => el && el.addEventListener(type, fn)

function swapLive(doc) {
	for (const old of $$('[data-live]')) {
		const fresh = doc.getElementById(old.id)
		if (!fresh || fresh.innerHTML === asSent.get(old)) continue
		const open = new Map($$('details[id]', old).map(d => [d.id, d.open]))
		const at = old.contains(document.activeElement) && document.activeElement, rows = () => $$('[data-row]', old), row = at ? rows().findIndex(r => r.contains(at)) : -1
		const ticked = $$('[id]:checked', old).map(i => i.id)
		asSent.set(old, fresh.innerHTML)
		old.innerHTML = fresh.innerHTML
		for (const d of $$('details[id]', old)) if (open.has(d.id)) d.open = open.get(d.id)
		for (const id of ticked) if ($('#' + CSS.escape(id), old)) $('#' + CSS.escape(id), old).checked = true
		if (!at) continue
		// What had the focus keeps it, also under another text. Of a row that is gone
		// the one in its place gets it.
		const all = $$('a,button,summary', old), same = at.id && $('#' + CSS.escape(at.id), old) || all.find(e => e.textContent === at.textContent && e.href === at.href) || all.find(e => e.href && e.href === at.href)
		const place = rows()[Math.min(row, rows().length - 1)], near = place && $('.open', place)
		;(same || near || $('#main')).focus({ preventScroll: true })
	}
}

// What a fresh page or a form that came back needs.
function ready(root) {
	for (const el of $$('[data-live]', root)) asSent.set(el, el.innerHTML)
	const first = $('#errors', root) || $('[data-focus]', root)
	if (first) first.focus()
	for (const b of $$('[data-print]', root)) {
		b.hidden = false
		on(b, 'click', () => print())
	}
	for (const b of $$('[data-show]', root)) {
		const field = document.getElementById(b.dataset.show)
		b.hidden = false
		on(b, 'click', () => {
			const show = field.type === 'password'
			field.type = show ? 'text' : 'password'
			b.setAttribute('aria-pressed', show)
		})
	}
	for (const p of $$('[data-say]', root)) setTimeout(() => p.textContent = p.dataset.say, 200)
	for (const f of $$('form[data-keep]', root)) keep(f)
	for (const p of $$('[data-pick]', root)) pick(p)
	for (const f of $$('form[data-upload]', root)) upload(f)
}

// Text typed into a form survives an ended session and a lost box.
function keep(form) {
	const key = 'tram:' + form.dataset.keep, fields = () => $$('input:not([type=hidden]):not([type=file]),[name=draft],textarea,select', form)
	const kept = JSON.parse(sessionStorage.getItem(key) || 'null')
	if (kept && !location.search && !$('#errors')) for (const f of fields()) {
		if (!(f.name in kept)) continue
		if (f.type === 'radio' || f.type === 'checkbox') f.checked = kept[f.name] === f.value
		else f.value = kept[f.name]
	}
	on(form, 'input', () => {
		const all = {}
		for (const f of $$('input:not([type=file]),textarea,select', form)) if (f.name && !/^(once|ma)$/.test(f.name) && (f.checked || !/radio|checkbox/.test(f.type))) all[f.name] = f.value
		sessionStorage.setItem(key, JSON.stringify(all))
		if (form.dataset.draft) {
			clearTimeout(form.timer)
			form.timer = setTimeout(saveDraft, 3000, form)
		}
	})
	on(form, 'submit', () => form.dataset.upload === undefined && sessionStorage.removeItem(key))
}

// A draft is kept on the box while somebody types; its files with the button.
function saveDraft(form) {
	const all = new FormData(form)
	all.delete('files')
	all.set('auto', 1)
	if (!form.busy) fetch(form.dataset.draft, { method: 'POST', body: all }).catch(() => {})
}
