// Opens pages in Firefox, signed in, and says what a person would stumble over:
// a page that scrolls sideways, scripts that fail, parts that are missing. The
// argument is a file with what to do, the answer one line of JSON.
import { readFileSync } from 'node:fs'
import puppeteer from 'puppeteer-core'

const task = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const browser = await puppeteer.launch({ browser: 'firefox', executablePath: task.firefox, headless: true,
	defaultViewport: null, args: ['--no-remote', `--width=${task.width}`, '--height=768'] })
const faults = [], version = await browser.version()
const page = await browser.newPage()
page.on('pageerror', e => faults.push(`${page.url()}: ${e.message}`))
page.on('console', m => m.type() === 'error' && !/status (of|code) 4/.test(m.text()) && faults.push(`${page.url()}: ${m.text()}`))
try {
	await page.goto(task.url + '/dang-nhap')
	await page.type('#name', task.name)
	await page.type('#password', task.password)
	await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
	for (const path of task.pages) {
		const answer = await page.goto(task.url + path, { waitUntil: 'load' })
		if (answer && answer.status() >= 400 && !task.missing.includes(path)) faults.push(`${path} gave ${answer.status()}`)
		const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
		if (wide > 0) faults.push(`${path} is ${wide} px too wide`)
		if (!await page.$('h1')) faults.push(`${path} has no heading`)
		if (task.shots) await page.screenshot({ path: `${task.shots}/firefox${path.replace(/[^a-z0-9]+/gi, '-')}.png`, fullPage: true })
	}
	for (const { open, keys, want } of task.keyboard) {
		await page.goto(task.url + open, { waitUntil: 'load' })
		const left = page.waitForNavigation({ timeout: 10000 }).catch(e => faults.push(`${open} ${keys}: ${e.message}`))
		for (const key of keys.slice(0, -1)) await page.keyboard.down(key)
		await page.keyboard.press(keys.at(-1))
		for (const key of keys.slice(0, -1)) await page.keyboard.up(key)
		await left
		if (!new RegExp(want).test(new URL(page.url()).pathname)) faults.push(`${open} ${keys} leads to ${page.url()}`)
	}
} finally {
	await browser.close()
}
console.log(JSON.stringify({ version, faults }))
