// A person with a browser: opens the address given, logs in on the pages of oidc-provider or Keycloak as
// CC_LOGIN, agrees, and prints where it ended, in JSON.
// CC_SCHEME light or dark, CC_WIDTH in pixels, CC_SHOT a file for a picture of the last page,
// CC_ABORT=1 to decline instead.
import { chromium } from 'playwright-core';

const browser = await chromium.launch({
  executablePath: process.env.CC_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
    // Nothing outside of this machine is asked for, for any page.
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1'],
});
const context = await browser.newContext({
  colorScheme: process.env.CC_SCHEME ?? 'light',
  viewport: { width: Number(process.env.CC_WIDTH ?? 900), height: 640 },
});
const page = await context.newPage();
const foreign = [];
page.on('request', (request) => foreign.push(request.url().split('?')[0]));
const errors = [];
page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
await page.goto(process.argv[2]);
for (let step = 0; step < 8 && !page.url().includes('/oidc/done') && !(await page.getByText('Sign-in Success').count()); step += 1) {
  if (process.env.CC_ABORT && await page.getByText('[ Cancel ]').count()) {
    await page.getByText('[ Cancel ]').click();
  } else if (await page.getByText('Confirm sign-in').count()) {
    // The confirmation page of OpenBao, in its mode 'direct'.
    await page.getByText('Confirm sign-in').click();
    await page.waitForURL(/confirmation/);
    break;
  } else if (await page.locator('input[name=username]').count()) {
    await page.locator('input[name=username]').fill(process.env.CC_LOGIN ?? 'clara');
    await page.locator('input[name=password]').fill(process.env.CC_PASSWORD ?? 'any');
    await page.locator('[type=submit]').first().click();
  } else if (await page.locator('input[name=login]').count()) {
    await page.locator('input[name=login]').fill(process.env.CC_LOGIN ?? 'clara');
    await page.locator('input[name=password]').fill('any');
    await page.locator('button[type=submit]').click();
  } else {
    await page.locator('button[type=submit]').first().click();
  }
  await page.waitForLoadState('load');
}
await page.waitForLoadState('networkidle');
if (process.env.CC_SHOT) await page.screenshot({ path: process.env.CC_SHOT, fullPage: true });
const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
console.log(JSON.stringify({
  url: page.url(), title: await page.title(), text: await page.locator('body').innerText(),
  hosts: [...new Set(foreign.map((url) => new URL(url).host))], errors, wide,
}));
await browser.close();
