// Recipients with type-ahead, and uploading with progress. The native form
// does the same without this.
function pick(box) {
	const real = $('[name=to]', box), chips = $('[data-chips]', box), names = {}
	const input = document.createElement('input'), list = document.createElement('ul'), say = document.createElement('p')
	for (const li of $$('li', chips)) names[li.dataset.code] = li.firstChild.data.trim()
	real.type = 'hidden'
	real.id = ''
	input.id = 'to'
	input.autocomplete = 'off'
	for (const [k, v] of Object.entries({ role: 'combobox', 'aria-expanded': false, 'aria-controls': 'to-list', 'aria-autocomplete': 'list', 'aria-describedby': 'to-hint' })) input.setAttribute(k, v)
	if (real.hasAttribute('aria-invalid')) input.setAttribute('aria-invalid', true)
	list.id = 'to-list'
	list.setAttribute('role', 'listbox')
	list.setAttribute('aria-label', $('label', box).textContent)
	list.hidden = true
	say.className = 'vh'
	say.setAttribute('role', 'status')
	$('[data-nojs]', box).remove()
	real.after(input, list, say)
	let at = -1, timer
	const codes = () => real.value.split(/[,;\s]+/).filter(Boolean)
	const options = () => $$('[role=option]', list)
	function set(all) {
		real.value = all.join(', ')
		draw()
		real.dispatchEvent(new Event('input', { bubbles: true }))
	}
	function draw() {
		chips.replaceChildren(...codes().map(code => {
			const li = document.createElement('li'), b = document.createElement('button'), c = document.createElement('span')
			c.className = 'code'
			c.textContent = code
			b.type = 'button'
			b.textContent = '✕'
			b.setAttribute('aria-label', box.dataset.remove.replace('{name}', names[code] || code))
			on(b, 'click', () => { set(codes().filter(x => x !== code)); input.focus() })
			li.append((names[code] || '') + ' ', c, b)
			return li
		}))
	}
	function show(open) {
		list.hidden = !open
		input.setAttribute('aria-expanded', open)
		if (!open) input.removeAttribute('aria-activedescendant')
	}
	function mark(n) {
		const all = options()
		at = all.length ? (n + all.length) % all.length : -1
		all.forEach((o, i) => { o.id = 'to-' + i; o.setAttribute('aria-selected', i === at) })
		if (at >= 0) {
			input.setAttribute('aria-activedescendant', 'to-' + at)
			all[at].scrollIntoView({ block: 'nearest' })
		}
	}
	function take(o) {
		names[o.dataset.code] = o.firstChild.data.trim()
		if (!codes().includes(o.dataset.code)) set([...codes(), o.dataset.code])
		input.value = ''
		show(false)
	}
	async function look() {
		const q = input.value
		try {
			const r = await fetch(box.dataset.pick + encodeURIComponent(q))
			if (!r.ok || q !== input.value || document.activeElement !== input) return
			list.innerHTML = await r.text()
			list.dataset.q = q
			show(!!q || options().length > 0)
			mark(q ? 0 : -1)
			say.textContent = box.dataset.found.replace('{n}', options().length)
		} catch (e) { show(false) }
	}
	on(input, 'input', () => { clearTimeout(timer); timer = setTimeout(look, 150) })
	on(input, 'focus', look)
	on(input, 'blur', () => show(false))
	on(list, 'mousedown', e => {
		const o = e.target.closest('[role=option]')
		e.preventDefault()
		if (o) take(o)
	})
	on(input, 'keydown', e => {
		if (e.isComposing || e.ctrlKey) return
		// Results of an earlier spelling are never taken: it would be another office.
		const o = !list.hidden && list.dataset.q === input.value && options()[at]
		if (/^Arrow(Up|Down)$/.test(e.key) && !list.hidden) mark(at + (e.key === 'ArrowDown' ? 1 : -1))
		else if (e.key === 'Escape') show(false)
		else if ((e.key === 'Enter' || e.key === ',') && o) take(o)
		else if (e.key === 'Backspace' && !input.value) return set(codes().slice(0, -1))
		else if (e.key !== 'Enter') return
		e.preventDefault()
	})
	on(input, 'keypress', e => e.key === 'Enter' && e.preventDefault())
	on(box.closest('form'), 'submit', () => {
		if (input.value.trim()) set([...codes(), input.value.trim()])
		input.value = ''
	}, true)
	draw()
}

function upload(form) {
	const file = $('[type=file]', form), bar = $('[data-progress]', form), line = $('p', bar), say = $('[data-say]', form), d = form.dataset
	const list = () => $('[data-chosen]', form).replaceChildren(...[...file.files].map(f => {
		const li = document.createElement('li'), n = f.size / 1048576
		li.textContent = f.name + ' · ' + (n < .1 ? Math.ceil(f.size / 1024) + ' KB' : n.toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1 }) + ' MB')
		return li
	}))
	on(file, 'change', list)
	list()
	const tell = text => { line.textContent = say.textContent = text }
	on(form, 'submit', e => {
		const to = e.submitter && e.submitter.getAttribute('formaction')
		e.preventDefault()
		if (form.busy) return
		clearTimeout(form.timer)
		bar.hidden = false
		if ([...file.files].reduce((n, f) => n + f.size, 0) > +d.max) return tell(d.large)
		form.busy = true
		const x = new XMLHttpRequest(), meter = $('progress', bar)
		let quarter = 0
		x.upload.onprogress = e => {
			const n = Math.floor(100 * e.loaded / e.total)
			meter.value = n
			line.textContent = n < 100 ? d.copying.replace('{n}', n) : d.saving
			if (n >= quarter + 25) {
				quarter = n - n % 25
				say.textContent = line.textContent
			}
		}
		x.onerror = () => { form.busy = false; tell(d.cut) }
		x.onload = () => {
			const to = new URL(x.responseURL)
			if (x.status < 400) {
				if (/^.van-ban|^.mot-cua.\w{8}-|nhap=/.test(to.pathname + to.search)) sessionStorage.removeItem('tram:' + d.keep)
				return location.assign(to)
			}
			const doc = parse(x.responseText), fresh = $('#main', doc), input = fresh && $('[type=file]', fresh)
			if (!input) {
				form.busy = false
				return tell(fresh ? $('p', fresh).textContent : d.cut)
			}
			input.replaceWith(file)
			for (const p of $$('.again', fresh)) p.remove()
			document.title = doc.title
			$('#main').replaceWith(fresh)
			ready(fresh)
		}
		x.open('POST', to || form.action)
		x.send(new FormData(form))
	})
}
