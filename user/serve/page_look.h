/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the landing page looks and keeps itself current. Included by page_html.c
 * only; apart because it is another language.
 *
 * On a narrow screen each table row becomes a card and each number carries its
 * column's name (data-l). The script fetches the page every two seconds and
 * exchanges <main>; it stands still while the page is hidden or text is selected,
 * keeps what was unfolded and where the focus was, and says so when the agent does
 * not answer. (The fetched style has a nonce that is not ours: out with it.) Of what
 * has a data-k it draws the last data-v's, which nobody else remembers. Without script
 * a meta refresh renews the page.
 */
#ifndef SERVE_PAGE_LOOK_H
#define SERVE_PAGE_LOOK_H

/* clang-format off */
#define PAGE_STYLE \
	":root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--fg:#1a1d21;--dim:#626b76;" \
	"--line:#e1e5ea;--link:#0b5cad;--ok:#16703a;--okb:#dff3e6;--warn:#8a5300;--warnb:#fdeecf;" \
	"--bad:#b3261e;--badb:#fbe1df;--off:#59616b;--offb:#e6e9ed;--bar:#5b8fd0}" \
	"@media(prefers-color-scheme:dark){:root{--bg:#101317;--card:#181c22;--fg:#e4e8ed;" \
	"--dim:#96a1ae;--line:#2a313a;--link:#7cb7f5;--ok:#74d698;--okb:#15301f;--warn:#f0bd62;" \
	"--warnb:#382a10;--bad:#ff9a92;--badb:#411c1a;--off:#a3adb8;--offb:#272d35;--bar:#5f95d6}}" \
	"*{box-sizing:border-box}" \
	"body{margin:0;background:var(--bg);color:var(--fg);" \
	"font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;" \
	"font-variant-numeric:tabular-nums}" \
	"header,main,footer{max-width:80rem;margin:0 auto;padding:0 1.25rem}" \
	"header{padding-top:1.5rem;display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;align-items:baseline}" \
	"h1{font-size:1.35rem;margin:0}h1 small{font-weight:400;color:var(--dim);font-size:.95rem}" \
	"h2{font-size:1rem;margin:2rem 0 .6rem}h2 small{color:var(--dim);font-weight:400}" \
	"nav{margin-left:auto;display:flex;gap:1.1rem}a{color:var(--link)}" \
	"footer{color:var(--dim);font-size:.85rem;padding-top:2rem;padding-bottom:2rem}" \
	".dim,.z{color:var(--dim)}" \
	"code{font:.92em/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;" \
	"overflow-wrap:break-word}" \
	"#stale{position:sticky;top:0;z-index:1;background:var(--badb);color:var(--bad);" \
	"padding:.6rem 1.25rem;text-align:center;font-weight:600}" \
	".meta{color:var(--dim);margin:.2rem 0 1.1rem}" \
	".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;" \
	"margin:0;padding:0}" \
	".tiles div{background:var(--card);border:1px solid var(--line);border-radius:.6rem;" \
	"padding:.7rem .9rem}" \
	".tiles dt{color:var(--dim);font-size:.82rem}" \
	".tiles dd{margin:0;white-space:nowrap;font-size:1.5rem;font-weight:600;line-height:1.3}" \
	".tiles dd small{font-size:.85rem;font-weight:400;color:var(--dim)}" \
	".b{display:inline-block;border-radius:1rem;padding:.05rem .6rem;font-size:.82rem;" \
	"font-weight:600;white-space:nowrap}" \
	".ok{color:var(--ok);background:var(--okb)}.warn{color:var(--warn);background:var(--warnb)}" \
	".bad{color:var(--bad);background:var(--badb)}.off{color:var(--off);background:var(--offb)}" \
	".look{list-style:none;margin:0;padding:0;display:grid;gap:.5rem}" \
	".look li{background:var(--card);border:1px solid var(--line);border-left:4px solid var(--warn);" \
	"border-radius:.4rem;padding:.5rem .8rem;overflow-wrap:anywhere}" \
	".look li.grave{border-left-color:var(--bad)}" \
	".t{background:var(--card);border:1px solid var(--line);border-radius:.6rem;overflow-x:auto}" \
	"table{border-collapse:collapse;width:100%}" \
	"th,td{text-align:left;padding:.45rem .8rem;border-top:1px solid var(--line);" \
	"vertical-align:baseline;font-weight:400}" \
	"thead th{color:var(--dim);font-size:.82rem;border-top:0;white-space:nowrap}" \
	".n{text-align:right;white-space:nowrap}.hot{color:var(--bad);font-weight:600}" \
	"tr.more>td{border-top:0;padding-top:0}" \
	"summary{cursor:pointer;color:var(--dim);font-size:.88rem}" \
	"details code{overflow-wrap:anywhere}details ul{margin:.3rem 0 .4rem;padding-left:1.2rem;display:grid;gap:.35rem;font-size:.92rem}" \
	".why{display:block}" \
	".v{display:inline-block;min-width:3.6rem}.bars,.spark{vertical-align:middle;overflow:visible}.bars{fill:var(--bar)}" \
	".spark{fill:none;stroke:var(--bar);stroke-width:1.5;" \
	"stroke-linejoin:round}dd .spark{width:3.2rem;margin-left:.4rem}" \
	".pulse{display:inline-block;width:.55rem;height:.55rem;border-radius:50%;" \
	"background:var(--ok);margin-right:.5rem;animation:p 1.2s ease-out}" \
	"@keyframes p{from{box-shadow:0 0 0 0 var(--ok)}to{box-shadow:0 0 0 .5rem transparent}}" \
	"@media(prefers-reduced-motion:reduce){.pulse{animation:none}}" \
	".grid th[scope=row],.grid th[scope=rowgroup]{position:sticky;left:0;" \
	"background:var(--card);min-width:11rem}" \
	".grid td,.grid .n{min-width:4.5rem}.grid tbody tr:not(.g)>*{border-top:0;padding-top:0;" \
	"font-size:.93em}.grid .sub{padding-left:1.8rem}.grid small{color:var(--dim)}" \
	".g code{font-weight:600}.all{font-weight:600;border-left:1px solid var(--line)}" \
	"a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--link);" \
	"outline-offset:2px;border-radius:.3rem}" \
	"@media(max-width:760px){header,main,footer{padding-left:.8rem;padding-right:.8rem}" \
	"nav{margin-left:0}.cards thead{position:absolute;width:1px;height:1px;overflow:hidden;" \
	"clip-path:inset(50%)}" \
	".cards,.cards tbody{display:block}" \
	".cards tr{display:grid;grid-template-columns:repeat(3,1fr);gap:.3rem .8rem;" \
	"padding:.7rem .8rem;border-top:1px solid var(--line)}" \
	".cards tbody:first-of-type tr:first-child{border-top:0}" \
	".cards tr.more{border-top:0;padding-top:0}" \
	".cards th,.cards td,.cards .n{border:0;padding:0;text-align:left;white-space:normal;" \
	"min-width:0}" \
	".cards tbody th,.cards td.wide,.cards tr.more td{grid-column:1/-1}" \
	".cards td[data-l]::before{content:attr(data-l);display:block;color:var(--dim);" \
	"font-size:.75rem}.cards .spark{display:none}.cards .v{min-width:0}" \
	".grid th,.grid td{padding:.4rem .6rem}.grid th[scope=row],.grid th[scope=rowgroup]" \
	"{min-width:9rem;max-width:11rem}.grid .sub{padding-left:1.1rem}.grid th small{display:block}}"

#define PAGE_SCRIPT \
	"(()=>{const live=document.getElementById('live'),stale=document.getElementById('stale');" \
	"const seen={},svg=n=>document.createElementNS('http://www.w3.org/2000/svg',n);" \
	"let last=Date.now();" \
	"const draw=()=>{for(const e of live.querySelectorAll('[data-k]')){" \
	"const h=seen[e.dataset.k]||(seen[e.dataset.k]=[]);" \
	"if(e.dataset.v)h.push(+e.dataset.v);if(h.length>30)h.shift();if(h.length<2)continue;" \
	"const top=Math.max(...h)||1,s=svg('svg'),l=svg('polyline');" \
	"s.setAttribute('class','spark');s.setAttribute('viewBox','0 0 60 16');" \
	"s.setAttribute('width',60);s.setAttribute('height',16);s.setAttribute('aria-hidden','true');" \
	"l.setAttribute('points',h.map((v,i)=>(60-2*(h.length-1-i))+','+(15-14*v/top).toFixed(1)).join(' '));" \
	"s.append(l);e.tagName=='DD'?e.append(s):e.prepend(s)}};" \
	"const say=t=>{stale.textContent=t;stale.hidden=!t};" \
	"const renew=async()=>{" \
	"const r=await fetch(location.href,{cache:'no-store',signal:AbortSignal.timeout(5000)});" \
	"if(!r.ok)throw r.status;" \
	"const t=(await r.text()).replace(/<style[^]*?<\\/style>/,'');" \
	"const d=new DOMParser().parseFromString(t,'text/html');" \
	"const fresh=d.getElementById('live');" \
	"const at=document.activeElement&&document.activeElement.closest('#live details');" \
	"for(const o of live.querySelectorAll('details[open]')){" \
	"const same=fresh.querySelector('#'+CSS.escape(o.id));if(same)same.open=true}" \
	"const grid=document.getElementById('grid'),x=grid?grid.scrollLeft:0,on=grid&&" \
	"grid==document.activeElement;" \
	"live.replaceChildren(...fresh.childNodes);document.title=d.title;draw();" \
	"const next=document.getElementById('grid');" \
	"if(next){next.scrollLeft=x;if(on)next.focus({preventScroll:true})}" \
	"const back=at&&document.getElementById(at.id);" \
	"if(back)back.querySelector('summary').focus({preventScroll:true})};" \
	"const tick=async()=>{" \
	"if(!document.hidden){" \
	"if(!getSelection().isCollapsed){say('Standing still while text is selected.')}" \
	"else try{await renew();last=Date.now();say('')}" \
	"catch{say('The agent has not answered for '+Math.round((Date.now()-last)/1000)+" \
	"' s: these numbers are old.')}}" \
	"setTimeout(tick,2000)};draw();setTimeout(tick,2000)})()"
/* clang-format on */

#endif
