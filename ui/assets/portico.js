// What the pages do beyond links and forms. Everything here improves something
// that works without it; nothing is evaluated and no style element is written.
'use strict';
(() => {
  const $ = (s, root = document) => root.querySelector(s);
  const $$ = (s, root = document) => [...root.querySelectorAll(s)];
  const root = document.documentElement;

  // ── dialogs: data-auto opens on arrival, data-open by id, data-close closes ──
  const show = d => {
    if (d?.open && d.matches('.drawer')) enter(d);
    if (!d || d.open) return;
    d.opener = document.activeElement;
    d.dataset.auto === 'show' || d.classList.contains('drawer') ? d.show() : d.showModal();
    (d.querySelector('[autofocus]') ?? d.querySelector('input:not([type=hidden]),select,textarea'))?.focus();
  };
  // A drawer comes open. The address that it leaves is the list's; its row gets the focus.
  const enter = d => d.contains(document.activeElement) || $('.dlg-nav [href]', d)?.focus({ preventScroll: true });
  const close = d => {
    const list = d.matches('.drawer') && $('.dlg-nav [data-close]', d), row = d.dataset.rowId && document.getElementById(d.dataset.rowId);
    d.close();
    if (list) history.replaceState(history.state, '', list.href);
    (row || (d.opener?.isConnected ? d.opener : null))?.focus();
    if (d.closest('#dialogs')) d.remove();
  };
  const arrive = node => {
    if (node.matches?.('dialog[data-auto]')) show(node);
    $$('dialog[data-auto]', node).forEach(show);
    if (node.matches?.('.toast')) expire(node);
    $$('.toast', node).forEach(expire);
    if (node.matches?.('.range')) fill(node);
    $$('.range', node).forEach(fill);
    $$('.cols', node).forEach(l => stop($('[aria-selected=true]', l) ?? $('.col', l)));
    reach();
  };
  // What scrolls sideways must be reachable by keyboard; what does not needs no stop.
  const reach = () => $$('.tw').forEach(w => w.scrollWidth > w.clientWidth ? w.tabIndex = 0 : w.removeAttribute('tabindex'));

  // ── toasts ──
  const expire = t => {
    if (t.dataset.timed) return;
    t.dataset.timed = 'yes';
    if (!('stay' in t.dataset)) setTimeout(() => t.remove(), 6000);
  };
  const toast = (title, text) => {
    const box = document.createElement('div'), body = document.createElement('div');
    box.className = 'toast bad';
    box.setAttribute('role', 'alert');
    for (const [tag, words] of [['b', title], ['p', text]]) {
      const e = document.createElement(tag);
      e.textContent = words;
      body.append(e);
    }
    box.append(body);
    $('#toasts')?.append(box);
    expire(box);
  };

  // ── tabs in the page ──
  const choose = (tab, focus) => {
    for (const t of $$('[role=tab]', tab.closest('[role=tablist]'))) {
      const on = t === tab;
      t.setAttribute('aria-selected', on);
      t.tabIndex = on ? 0 : -1;
      const panel = document.getElementById(t.dataset.tab);
      if (panel) panel.hidden = !on;
    }
    if (focus) tab.focus();
  };

  // ── copying ──
  const copy = async b => {
    let from = $(b.dataset.copy);
    if ('copyTab' in b.dataset) from = $(`#${CSS.escape($('[role=tab][aria-selected=true]', b.closest('.code')).dataset.tab)} code`);
    if (!from) return;
    try {
      await navigator.clipboard.writeText(from.textContent.trim());
    } catch {
      getSelection().selectAllChildren(from); // not allowed or not https: ready for the reader's own ⌘C
      toast('Not copied', 'The browser did not allow it. The text is selected: copy it with the keyboard.');
      return;
    }
    const before = b.cloneNode(true).childNodes, label = b.getAttribute('aria-label');
    if (b.dataset.copied) return;
    b.dataset.copied = 'yes';
    label ? b.setAttribute('aria-label', 'Copied') : b.replaceChildren('Copied');
    b.classList.add('copied');
    setTimeout(() => {
      label ? b.setAttribute('aria-label', label) : b.replaceChildren(...before);
      b.classList.remove('copied');
      delete b.dataset.copied;
    }, 1400);
  };

  // ── theme: shown at once, kept by the server ──
  const theme = form => {
    const dark = getComputedStyle(root).colorScheme === 'dark' ||
      (!root.dataset.theme && matchMedia('(prefers-color-scheme:dark)').matches);
    root.dataset.theme = dark ? 'light' : 'dark';
    const body = new URLSearchParams(new FormData(form));
    body.set('theme', root.dataset.theme);
    fetch(form.action, { method: 'POST', body, redirect: 'manual', credentials: 'same-origin' })
      .catch(() => toast('Theme not kept', 'The server did not answer. It lasts until you leave this page.'));
  };

  const fill = r => {
    r.style.setProperty('--v', `${(r.value - r.min) / ((r.max || 100) - r.min) * 100}%`);
    for (const [id, v] of [[r.dataset.out, r.value], [r.dataset.rest, (r.max || 100) - r.value]]) {
      const out = id && $(id);
      if (out) out.textContent = v;
    }
  };

  // ── a menu inside what scrolls would be cut off: it stands on the window instead ──
  const place = m => {
    const box = $('.menu', m), at = $('summary', m).getBoundingClientRect();
    if (!m.closest('.tw')) return;
    box.style.position = 'fixed';
    const w = box.offsetWidth, h = box.offsetHeight + 8;
    box.style.left = `${Math.max(8, Math.min(innerWidth - w - 8, box.classList.contains('end') ? at.right - w : at.left))}px`;
    box.style.right = 'auto';
    box.style.top = `${at.bottom + h > innerHeight ? Math.max(8, at.top - h) : at.bottom}px`;
  };
  document.addEventListener('toggle', e => { if (e.target.open && e.target.matches?.('details[data-menu]')) { place(e.target); $('.menu-form select', e.target)?.focus(); } }, true);
  document.addEventListener('scroll', () => $$('.tw details[data-menu][open]').forEach(place), { capture: true, passive: true });

  // ── columns of a colonnade are one stop for the tab key; arrows go on from there ──
  const stop = col => $$('.col', col.closest('.cols')).forEach(c => { c.tabIndex = c === col ? 0 : -1; });
  const along = e => {
    const list = e.target.closest?.('.cols');
    if (!list || e.metaKey || e.ctrlKey || e.altKey) return;
    const all = $$('.col', list), at = all.indexOf(e.target);
    const next = { Home: 0, End: all.length - 1, ArrowLeft: Math.max(0, at - 1), ArrowRight: Math.min(all.length - 1, at + 1) }[e.key];
    if (e.key === ' ') { e.preventDefault(); e.target.click(); }
    if (next === undefined) return;
    e.preventDefault();
    stop(all[next]);
    all[next].focus();
    all[next].scrollIntoView({ block: 'nearest', inline: 'nearest' });
  };

  // ── columns of a colonnade are dragged to another's place ──
  let dragged = null;
  const landing = e => {
    const c = e.target.closest?.('.col[data-move]');
    return c && dragged && c !== dragged && c.dataset.among === dragged.dataset.among ? c : null;
  };
  document.addEventListener('dragstart', e => { dragged = e.target.closest?.('.col[data-move]') ?? null; });
  document.addEventListener('dragend', () => { dragged = null; $$('.col.over').forEach(c => c.classList.remove('over')); });
  document.addEventListener('dragover', e => {
    const c = landing(e);
    $$('.col.over').forEach(o => o === c || o.classList.remove('over'));
    if (c) { e.preventDefault(); c.classList.add('over'); }
  });
  document.addEventListener('drop', e => {
    const c = landing(e), form = c && $('form[data-mover]', c.closest('.colonnade'));
    if (!form) return;
    e.preventDefault();
    form.action = dragged.dataset.move;
    form.elements.to.value = c.dataset.place;
    form.submit();
  });

  document.addEventListener('click', e => {
    if (e.defaultPrevented) return;
    const t = e.target.closest('[data-open],[data-close],[data-copy],[data-tab],[data-dismiss],[data-nav-toggle],[data-confirm]');
    $$('details[data-menu][open]').forEach(m => m.contains(e.target) || (m.open = false));
    if (root.dataset.nav && !e.target.closest('.side,[data-nav-toggle]')) delete root.dataset.nav;
    if (!t) return;
    const d = t.dataset;
    if ('confirm' in d && !confirm(d.confirm)) { e.preventDefault(); e.stopImmediatePropagation(); return; }
    if ('navToggle' in d) { e.preventDefault(); root.dataset.nav ? delete root.dataset.nav : root.dataset.nav = 'open'; }
    else if (d.open) { const dlg = document.getElementById(d.open); if (dlg) { e.preventDefault(); show(dlg); } }
    else if ('close' in d) { const dlg = t.closest('dialog'); if (dlg) { e.preventDefault(); close(dlg); } }
    else if ('copy' in d) copy(t);
    else if (d.tab) choose(t);
    else if ('dismiss' in d) t.closest('.toast').remove();
  }, true);
  document.addEventListener('click', e => { if (e.target.matches?.('dialog.dialog,dialog.palette')) close(e.target); });
  document.addEventListener('cancel', e => { if (e.target.matches?.('dialog')) { e.preventDefault(); close(e.target); } }, true);
  document.addEventListener('input', e => { if (e.target.matches('.range')) fill(e.target); });
  document.addEventListener('submit', e => {
    if (e.target.matches('[data-theme-form]')) { e.preventDefault(); theme(e.target); return; }
    if (e.defaultPrevented || e.target.method === 'dialog') return;
    // A plain form leaves the page: show that it is under way, and refuse a second press.
    const b = e.submitter;
    if (b?.matches('.btn')) setTimeout(() => b.setAttribute('aria-busy', 'true'));
  });
  addEventListener('resize', reach);
  addEventListener('pageshow', () => $$('.btn[aria-busy=true][type=submit]').forEach(b => b.removeAttribute('aria-busy')));

  // ── keys ──
  const typing = t => t.matches?.('input:not([type=checkbox],[type=radio]),textarea,select,[contenteditable]');
  const AT = r => r.localName === 'tr' ? 'aria-selected' : 'aria-current'; // a list's entry cannot be selected
  const at = r => r.getAttribute(AT(r)) === 'true';
  const rows = () => $$('[data-row]', $('[data-keys]') ?? document.createElement('i'));
  const move = by => {
    const all = rows(), next = all[Math.max(0, Math.min(all.length - 1, all.findIndex(at) + by))];
    all.forEach(r => r === next ? r.setAttribute(AT(r), 'true') : r.removeAttribute(AT(r)));
    next?.scrollIntoView({ block: 'nearest' });
    next?.querySelector('a')?.focus();
  };
  // A field that searches offers what it found while it is in use, until Esc.
  const offer = (pick, shut = false) => {
    pick.toggleAttribute('data-shut', shut);
    $('[role=combobox]', pick).setAttribute('aria-expanded', !shut && pick.matches(':focus-within') && !!$('[role=option]', pick));
  };
  for (const event of ['focusin', 'focusout', 'input', 'htmx:afterSwap']) document.addEventListener(event, e => {
    const pick = e.target.closest?.('.pick');
    if (pick) setTimeout(offer, 0, pick);
  });
  document.addEventListener('focusin', e => { if (e.target.matches('.pick input')) e.target.select(); });
  document.addEventListener('mousedown', e => { if (e.target.closest?.('.pick .pal-l')) e.preventDefault(); });
  const palette = e => {
    const pick = e.target.closest('.pick');
    if (pick && e.key === 'Enter' && 'shut' in pick.dataset) return;
    if (pick && /^Arrow(Up|Down)$/.test(e.key)) offer(pick);
    const list = $('#' + e.target.getAttribute('aria-controls')), all = $$('[role=option]', list);
    const at = all.findIndex(o => o.getAttribute('aria-selected') === 'true');
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      e.preventDefault();
      const next = (at + (e.key === 'ArrowDown' ? 1 : all.length - 1)) % all.length;
      all.forEach((o, i) => o.setAttribute('aria-selected', i === next));
      all[next]?.scrollIntoView({ block: 'nearest' });
      if (all[next]) e.target.setAttribute('aria-activedescendant', all[next].id);
    } else if (e.key === 'Enter' && all[at]) {
      e.preventDefault();
      e.metaKey || e.ctrlKey ? open(all[at].href, '_blank', 'noopener') : all[at].click();
    }
  };
  let going = 0; // when G was pressed
  const shortcut = e => (e.metaKey || e.ctrlKey ? 'mod+' : '') + e.key.toLowerCase();

  document.addEventListener('keydown', e => {
    if (e.defaultPrevented || e.isComposing) return;
    const key = shortcut(e), tabs = e.target.closest?.('[role=tablist]');
    if (e.target.matches?.('[data-palette]')) { palette(e); if (e.defaultPrevented) return; }
    if (key === 'mod+k' && $('#palette')) { e.preventDefault(); show($('#palette')); return; }
    along(e);
    if (e.defaultPrevented) return;
    if (tabs && /^(Arrow(Left|Right)|Home|End)$/.test(e.key)) {
      const all = $$('[role=tab]', tabs), at = all.indexOf(e.target);
      e.preventDefault();
      choose(all[{ Home: 0, End: all.length - 1, ArrowLeft: (at + all.length - 1) % all.length, ArrowRight: (at + 1) % all.length }[e.key]], true);
      return;
    }
    if (e.key === 'Escape') {
      const menu = e.target.closest?.('details[data-menu][open]'), drawer = $('dialog.drawer[open]'), combo = e.target.closest?.('.pick [aria-expanded=true]');
      if (combo) offer(combo.closest('.pick'), true);
      else if (menu) { menu.open = false; $('summary', menu).focus(); } else if (drawer) close(drawer);
      delete root.dataset.nav;
      return;
    }
    const menu = e.target.closest?.('details[data-menu][open]');
    if (menu && !typing(e.target) && /^Arrow(Up|Down)$/.test(e.key)) {
      const all = $$('.menu :is(a,button)', menu), at = all.indexOf(document.activeElement);
      e.preventDefault();
      all[(at + (e.key === 'ArrowDown' ? 1 : all.length - 1)) % all.length]?.focus();
      return;
    }
    const modal = $('dialog:modal');
    const goes = !modal && !typing(e.target) && Date.now() - going < 1500 && $(`[data-go="${CSS.escape(key)}"]`);
    going = key === 'g' ? Date.now() : 0;
    if (goes) { e.preventDefault(); goes.click(); return; }
    const button = $$('[data-key]', modal ?? document).find(b => b.dataset.key === key && !b.disabled && b.checkVisibility());
    if (key.startsWith('mod+')) { if (button) { e.preventDefault(); button.click(); } return; }
    if (e.altKey || typing(e.target) || modal) return;
    if (key === '/') { const s = $('[data-slash]'); if (s) { e.preventDefault(); s.focus(); s.select(); } }
    else if (button) { e.preventDefault(); button.click(); }
    else if (key === 'j') move(1);
    else if (key === 'k') move(-1);
    else if (key === 'x') { const box = rows().find(at)?.querySelector('input[type=checkbox]'); box?.click(); }
  });

  // ── htmx: busy buttons, arrivals, failures ──
  document.addEventListener('htmx:beforeRequest', e => {
    const b = e.detail.requestConfig?.triggeringEvent?.submitter ?? e.detail.elt;
    if (b.matches?.('.btn')) { b.setAttribute('aria-busy', 'true'); e.detail.xhr.busy = b; }
  });
  // htmx copies attributes between elements of one id, and the policy of the page allows no style.
  document.addEventListener('htmx:beforeSwap', e => $$('.range[style]', e.detail.target).forEach(r => r.removeAttribute('style')));
  // What comes by itself does not take out of somebody's hand what they type or slide, nor the numbers that follow a slider.
  const held = root => $('[data-typed]', root) || [root, ...$$('input,textarea,select,button', root)].some(c =>
    c.matches(':active:is(input,textarea,select,button)') || c.matches(':focus:not(.range)') && typing(c) ||
    (c.type === 'checkbox' || c.type === 'radio' ? c.checked !== c.defaultChecked
      : c.localName === 'select' ? c.selectedIndex !== Math.max(0, [...c.options].findIndex(o => o.defaultSelected))
      : 'defaultValue' in c && c.value !== c.defaultValue));
  document.addEventListener('htmx:oobBeforeSwap', e => {
    const t = e.detail.target, r = $$('.range').find(r => [r.dataset.out, r.dataset.rest].includes('#' + t.id));
    if (held(r ?? t)) e.detail.shouldSwap = false;
    else [t, ...$$('.range', t)].forEach(r => r.matches('.range') && r.removeAttribute('style'));
  });
  document.addEventListener('htmx:afterRequest', e => e.detail.xhr?.busy?.removeAttribute('aria-busy'));
  document.addEventListener('htmx:load', e => arrive(e.detail.elt));
  document.addEventListener('htmx:oobAfterSwap', e => arrive(e.detail.target));
  document.addEventListener('htmx:responseError', e => toast('Not done', `The server answered ${e.detail.xhr.status}. Nothing was changed on this page.`));
  document.addEventListener('htmx:sendError', () => toast('No answer', 'The server could not be reached. Check the connection, then try again.'));

  arrive(document);
})();
