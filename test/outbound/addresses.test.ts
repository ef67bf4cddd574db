import { expect, test } from 'vitest'
import { findUrlProblem, mayDial } from '#libs/outbound'

const strict = { allowHttp: false, allowPrivate: false, ports: [443, 8443] }

test('public addresses may be dialled', () => {
  const open = ['1.1.1.1', '93.184.216.34', '172.15.255.255', '172.32.0.1', '100.63.255.255', '100.128.0.1']
  const open6 = ['2606:4700:4700::1111', '2a00:1450:4001::200e', '::ffff:8.8.8.8']
  expect([...open, ...open6].filter((address) => !mayDial(address, strict))).toEqual([])
})

const closed = `
  0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.1.2.3
  168.63.129.16 169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1
  192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
  :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:a9fe:a9fe ::ffff:0:127.0.0.1 64:ff9b::7f00:1
  64:ff9b::a00:1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: 3fff::1 4000::1 5f00::1 fc00::1
  fd00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 febf::1 fec0::1 ff02::1`
  .trim()
  .split(/\s+/)

test.each(closed)('%s is never dialled', (address) => {
  expect(mayDial(address, strict)).toBe(false)
})

test('what is no address is never dialled', () => {
  expect(['', 'localhost', '1.2.3', '0x7f.1', 'example.com'].filter((text) => mayDial(text, strict))).toEqual(
    [],
  )
})

test('an intranet may be allowed, and what tells machines their credentials is not part of it', () => {
  const intranet = { ...strict, allowPrivate: true }
  const inside = ['10.0.0.1', '127.0.0.1', '192.168.1.1', '::1', 'fd00::1', '::ffff:10.0.0.1', '100.64.0.1']
  const never = ['169.254.169.254', '100.100.100.200', '168.63.129.16', 'fd00:ec2::254', 'fe80::1', '0.0.0.0']
  expect(inside.filter((address) => !mayDial(address, intranet))).toEqual([])
  expect(never.filter((address) => mayDial(address, intranet))).toEqual([])
})

const bad = [
  'http://example.com/',
  'ftp://example.com/',
  'file:///etc/passwd',
  'gopher://example.com/',
  'javascript:alert(1)',
  'example.com/hook',
  'https://',
  '//example.com/',
  'https://user@example.com/',
  'https://user:word@example.com/',
  'https://:word@example.com/',
  'https://example.com:22/',
  'https://example.com:6379/',
  'https://example.com:80/',
  'https://127.0.0.1/',
  'https://127.1/',
  'https://2130706433/',
  'https://0x7f000001/',
  'https://0177.0.0.1/',
  'https://0x7f.0.0.1/',
  'https://127.0.0.1./',
  'https://127。0。0。1/',
  'https://①②⑦.0.0.1/',
  'https://0/',
  'https://10.0.0.1:8443/',
  'https://169.254.169.254/latest/meta-data/',
  'https://[::1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:7f00:1]/',
  'https://[64:ff9b::7f00:1]/',
  'https://[2002:7f00:1::]/',
  'https://[fe80::1]/',
  'https://[fd00:ec2::254]/',
  'https://localhost/',
  'https://LOCALHOST./',
  'https://api.localhost/',
  'https://exa mple.com/',
  'https://exa\nmple.com/',
  ' https://example.com/',
]

test.each(bad)('%s is refused before anybody is asked for the name', (url) => {
  expect(findUrlProblem(url, strict)).toMatch(/^(?:is|must|names) /)
})

test('a public address by https is tried, on an allowed port', () => {
  const good = [
    'https://example.com/',
    'https://example.com:8443/hook?token=1',
    'https://1.1.1.1/',
    'HTTPS://EXAMPLE.COM',
  ]
  expect(good.map((url) => findUrlProblem(url, strict))).toEqual(good.map(() => undefined))
})
