// One call of the signing agent on this PC: send one message, read one, look
// what came back. Whether the file is signed is for the server to say.
for (const box of document.querySelectorAll('[data-call]')) {
	const d = box.dataset, say = box.querySelector('[role=status]')
	const absent = document.querySelector('[data-absent]')
	let over = false
	const fail = text => {
		if (over) return
		over = true
		box.dataset.state = 'failed'
		say.textContent = text
	}
	const missing = () => {
		if (over) return
		fail(d.missing)
		absent.hidden = false
		absent.focus()
	}
	let socket, timer
	try {
		socket = new WebSocket(d.agent + '/' + d.methodName)
	} catch (e) { missing() }
	if (socket) {
		let open = false
		timer = setTimeout(() => { if (!open) { missing(); socket.close() } }, +d.wait)
		socket.onopen = () => {
			open = true
			clearTimeout(timer)
			say.textContent = d.waiting
			socket.send(d.call)
		}
		socket.onmessage = e => {
			let answer = {}
			try { answer = JSON.parse(e.data) } catch (x) {}
			const status = typeof answer === 'object' && answer ? answer.Status : answer
			socket.close()
			if (String(status) === '0') {
				over = true
				return location.assign(d.done)
			}
			fail(d.refused.replace('{text}', String(answer && answer.Message || status || '').slice(0, 300)))
		}
		socket.onerror = () => { if (!open) missing() }
		socket.onclose = () => {
			clearTimeout(timer)
			if (open) fail(d.cut)
		}
	}
}
