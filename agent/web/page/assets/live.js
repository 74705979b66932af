// Keeps the strip and the live parts fresh: every 3 s for a minute after
// somebody did something, else every minute.
let rev = document.body.dataset.rev, hot = Date.now() + 6e4, next

function strip(html) {
	const old = $('#strip'), now = $('#strip', parse(html))
	if (!old || !now) return
	const bare = el => { const c = el.cloneNode(true), f = $('.fine', c); if (f) f.remove(); return c.innerHTML + c.dataset.key }
	old.className = now.className
	const fine = $('.fine', old), figures = $('.fine', now)
	if (bare(old) === bare(now) && fine && figures) fine.textContent = figures.textContent
	else old.innerHTML = now.innerHTML
	old.dataset.key = now.dataset.key
}

async function poll() {
	clearTimeout(next)
	if (document.hidden) return
	try {
		const r = await fetch('/trang-thai?since=' + rev)
		$('#lost').hidden = true
		if (r.status === 200 || r.status === 401) strip(await r.text())
		if (r.status === 401) return
		const now = r.headers.get('X-Tram-Rev')
		const was = rev.split('.'), is = (now || rev).split('.')
		if (is[0] !== was[0] && $('[data-live]') || is[2] !== was[2] && $('[data-live=dossiers]')) {
			const page = await fetch(location.href)
			if (page.ok) swapLive(parse(await page.text()))
		}
		rev = now || rev
	} catch (e) {
		$('#lost').hidden = false
	}
	next = setTimeout(poll, Date.now() < hot ? 3e3 : 6e4)
}

function awake() {
	const slept = Date.now() > hot
	hot = Date.now() + 6e4
	if (slept) poll()
}

if (rev) {
	for (const t of ['mousemove', 'keydown', 'touchstart']) on(document, t, awake)
	on(document, 'visibilitychange', () => document.hidden || (hot = 0, awake()))
	next = setTimeout(poll, 3e3)
}
