// The language up to ECMAScript 2022, which both browsers know whole, and the
// interfaces that both have.
import compat from 'eslint-plugin-compat'
import es from 'eslint-plugin-es-x'

export default [
	compat.configs['flat/recommended'],
	es.configs['flat/restrict-to-es2022'],
	{ languageOptions: { sourceType: 'script' } },
]
