"""Experiment: canonical dreams through the recipe's own windows. args: name minutes; options by environment."""
import sys, time, os
import numpy as np, torch, torch.nn.functional as F
from dataclasses import replace
T_=int(os.environ.get('T','1')); torch.set_num_threads(T_)
from dreamlab.picturebook import train as TR, spoil as SP
from dreamlab.picturebook.objectives import *
from dreamlab.picturebook.objectives import _bands
from dreamlab.picturebook.train import _uniform, build
from dreamlab.precision import Precision
env=lambda k,d:type(d)(os.environ.get(k,d))
name, minutes = sys.argv[1], float(sys.argv[2])
LR=env('LR',8e-4); EMB=env('EMB',160); INIT=env('INIT','picturebook'); MUON=env('MUON',0); FALL=env('FALL',.5)
ND,GP,K,NR=env('ND',20),env('GP',4),env('K',5),env('NR',20)   # dreams, grey pictures x captions, readers
RW=env('RW',1.0); SEEN=env('SEEN',.5); WMIN=env('WMIN',.8); DW=env('DW',6.0); RESUME=env('RESUME','')
z=np.load(os.environ.get('CAN','can3.npz')); CP,CL,CT,CA=z['P'],z['L'],z['T'],z['A']; NC=len(CP)
z=np.load('pairs.npz'); P,LAB,T,A=z['P'],z['L'],z['T'],z['A']; del z
FT=np.load('falses.npy'); n=len(P); assert len(FT)==n
P_=env('P',8); plan=replace(TR.PLANS['picturebook'],learning_rate=LR,embed_dim=EMB)
if P_!=8: plan=replace(plan,vision_cfg={**plan.vision_cfg,'patch_size':P_,'width':env('W',320),'head_width':env('HW',64)})
RWEND=env('RWEND',RW); dev=torch.device('cpu')
W=TR.embedded_weights(TR.MODELS/'picturebook' if INIT=='picturebook' else TR.Path(INIT)) if INIT!='scratch' else None
if W is not None and W['visual.proj'].shape[1]<EMB:
    o=W['visual.proj'].shape[1]; g=torch.Generator().manual_seed(3)
    W['visual.proj']=torch.cat([W['visual.proj'],torch.zeros(W['visual.proj'].shape[0],EMB-o)],1)
    t=W['text_projection']; W['text_projection']=torch.cat([t,.5*t.std()*torch.randn(t.shape[0],EMB-o,generator=g)],1)
run=TR.Run(plan,dev,Precision('float32',T_,'cpu'),W); st=run.student
if W is not None: st.heads.scale.data.fill_(2.5)
_edge=CP.mean(1)[:,[0,1,2,3,-4,-3,-2,-1]].mean((1,2,3))/255
GW=np.where(_edge<.35,env('DARK',1.0),1.0); GW/=GW.sum()   # darker grounds more often
solo=(A[:,0,4]==0)&(A[:,0,5]<0); likely=np.ones(n); likely+=solo*(3+6*(A[:,0,3]==0)); likely/=likely.sum()
class Muon:
    def __init__(s,params,lr): s.p=params; s.m=[torch.zeros_like(q) for q in params]; s.lr=lr
    @torch.no_grad()
    def step(s,rate):
        for q,m in zip(s.p,s.m):
            if q.grad is None: continue
            m.mul_(.95).add_(q.grad); u=q.grad.add(m,alpha=.95)
            parts=u.chunk(3,0) if q.shape[0]==3*q.shape[1] else [u]
            out=[]
            for x in parts:
                t=x.shape[0]>x.shape[1]; y=(x.T if t else x); y=y/(y.norm()+1e-7)
                for _ in range(5):
                    a=y@y.T; y=3.4445*y+(-4.7750*a+2.0315*a@a)@y
                y=y.T if t else y; out.append(y*max(1,x.shape[0]/x.shape[1])**.5)
            q.mul_(1-rate*.02).add_(torch.cat(out,0),alpha=-rate)
mu=None
if MUON:
    hid=[p for k,p in st.model.named_parameters() if p.ndim==2 and 'resblocks' in k]
    ids={id(p) for p in hid}; rest=[p for p in run.weights if id(p) not in ids]
    mu=Muon(hid,env('MULR',.02)); run.optimizer=torch.optim.AdamW([{'params':rest,'weight_decay':.02}],lr=LR,betas=(.9,.98),eps=1e-6)
opt=run.optimizer
def win(like,owners,num,g):
    b=len(like)
    wide=_uniform(0,1,(b,),g,like)<.75
    sides=torch.where(wide,_uniform(.85,1,(b,),g,like),_uniform(.6,.85,(b,),g,like))
    mirror,middle=TR.anywhere(sides,g,like)
    closer,its=TR.close_up(owners[:,1],g)
    near=TR.alone(num)&(_uniform(0,1,(b,),g,like)<.95)
    sides=torch.where(near,closer,sides); middle=torch.where(near[:,None],its,middle)
    return TR.window(sides,torch.zeros_like(sides),mirror,middle)
def cwin(b,g,like):
    s=_uniform(WMIN,1.0,(b,),g,like); mid=_uniform(-1,1,(b,2),g,like)*(1-s)[:,None]
    return TR.window(s,torch.zeros_like(s),torch.ones_like(s),mid)
pic=lambda x:torch.from_numpy(x).permute(0,3,1,2).float()/255
own3=lambda x:F.one_hot(torch.from_numpy(x).long(),3).permute(0,3,1,2).float()
tok=lambda x:torch.from_numpy(x.astype(np.int64))
unit=torch.eye(2,3)[None]
full=lambda x:F.interpolate(x,size=(64,64),mode='bilinear',antialias=x.shape[-1]>64)
away=lambda a,c:(1-F.cosine_similarity(a.flatten(1),c.flatten(1),eps=1e-9)).mean()
def bands_away(a,c):
    d=away(a,c)
    for u,v in list(zip(_bands(a,3),_bands(c,3)))[1:]: d=d+away(u,v)/2
    return d
rows={}
def losses(step,p):
    g=torch.Generator().manual_seed(9_000_000+step); rng=np.random.default_rng([79,step])
    # readers
    ch=rng.choice(n,NR,replace=False,p=likely); s=rng.integers(2,size=NR)
    rx,ro=pic(P[ch,s]),own3(LAB[ch,s]); num=tok(A[ch,s]); comp=tok(T[ch,s,0]); loose=tok(T[ch,s,1]); fl=tok(FT[ch])
    ok=torch.from_numpy(s==0)
    m=win(rx,ro,num,g); rc,rown=TR.through(rx,m),TR.through(ro,m)
    sp,kept=SP.spoil(rc,.2,g)
    # canonical dreams
    k=rng.choice(NC,ND,p=GW); a=rng.integers(25,size=ND)
    c=full(pic(CP[k,a])); o=F.interpolate(own3(CL[k,a]),size=(64,64))
    def grey(b):
        flat=torch.full((b,3,64,64),.5); bl=.5+.15*F.interpolate(torch.randn(b,3,8,8,generator=g),size=(64,64),mode='bicubic')*_uniform(0,1,(b,1,1,1),g,flat)
        return torch.where(_uniform(0,1,(b,1,1,1),g,flat)<.6,flat,bl)
    fresh={'clean':c,'owners':o,'picture':grey(ND),'words':tok(CT[k,a])}
    if rows:
        live=torch.rand(ND,generator=g)<39/40
        for q,v in fresh.items(): rows[q]=torch.where(live.view(-1,*[1]*(v.ndim-1)),rows[q],v)
    else: rows.update({q:v.clone() for q,v in fresh.items()})
    # grey pictures with K captions each
    gk=rng.choice(NC,GP,p=GW); ga=np.stack([rng.choice(25,K,replace=False) for _ in range(GP)])
    gx=full(pic(CP[gk[:,None],ga].reshape(GP*K,80,80,3))).view(GP,K,3,64,64)
    go=F.interpolate(own3(CL[gk[:,None],ga].reshape(GP*K,20,20)),size=(64,64)).view(GP,K,3,64,64)
    gt=tok(CT[gk[:,None],ga]).flatten(0,1)
    gp=grey(GP)
    # half of the grey pictures show a little of another thing of the scene, or of the mean of all
    lie=full(pic(CP[gk,rng.integers(25,size=GP)])); keep=_uniform(0,.35,(GP,1,1,1),g,lie)*(_uniform(0,1,(GP,1,1,1),g,lie)<.5)
    gp=gp*(1-keep)+keep*lie
    dw=cwin(ND,g,c); gw=cwin(GP,g,c)
    noise=lambda x,hi=.2:x+torch.randn(x.shape,generator=g)*_uniform(0,hi,(len(x),1,1,1),g,c)
    canvas=rows['picture'].detach().requires_grad_()
    dv=TR.through(canvas,dw); gv=TR.through(gp,gw)
    pict=torch.cat([noise(dv.detach()),noise(gv),sp]).detach()
    tg=lambda x,w:TR.through(x,w)
    dclean,down=tg(rows['clean'],dw),tg(rows['owners'],dw)
    gww=gw.repeat_interleave(K,0)
    gclean,gown=tg(gx.flatten(0,1),gww),tg(go.flatten(0,1),gww)
    un=torch.cat([1-down[:,:1],(1-gown[:,:1]).view(GP,K,1,64,64).amax(1),1-rown[:,:1]])
    share=SEEN if p<.6 else 1.0
    if P_==8: seen=st.glimpse.choose(un,share,g)
    else: seen=torch.ones(len(un),1,64,64); st.glimpse.order=torch.arange((64//P_)**2).expand(len(un),-1)
    wide=lambda x:torch.cat([x[:ND],x[ND:ND+GP].repeat_interleave(K,0),x[ND+GP:]])
    seen=wide(seen); st.glimpse.order=wide(st.glimpse.order); pict=wide(pict.detach()).requires_grad_()
    image,patches=st.image_and_tokens(pict)
    text,gtx,rtx,ht,prompts=st.text(torch.cat([rows['words'],gt,torch.where((torch.arange(NR)%2==0)[:,None],comp,loose),fl.flatten(0,1),st.prompts])).split([ND,GP*K,NR,NR*4,len(st.prompts)])
    D,G,R=slice(0,ND),slice(ND,ND+GP*K),slice(ND+GP*K,ND+GP*K+NR)
    L={}
    cos=(image*torch.cat([text,gtx,rtx])).sum()
    (grad,)=torch.autograd.grad(cos,pict,create_graph=True)
    with torch.no_grad():
        (back,)=torch.autograd.grad(dv,canvas,grad[D].detach())
        length=_uniform(.02,.05,(ND,1,1,1),g,c)
        rows['picture']=(rows['picture']+length*TR.unit_rms(back)).clamp(0,1)
    big=lambda x:F.max_pool2d(x,5,1,2)
    w1=(torch.cat([dclean,rc])-torch.cat([pict[D],pict[R]]).detach())*torch.cat([seen[D],seen[R]])
    th=big(torch.cat([1-down[:,:1],1-rown[:,:1]]))
    gr=torch.cat([grad[D],grad[R]])
    L['align']=plan.align*alignment_loss(gr,w1,th)
    gg=grad[G].view(GP,K,3,64,64); want=(gclean-pict[G].detach())*seen[G]; want=want.view(GP,K,3,64,64)
    L['grey']=plan.align*GP*K/(ND+NR)*alignment_loss(gg.flatten(0,1),want.flatten(0,1),big(1-gown[:,:1]))
    dg=(gg-gg.mean(1,keepdim=True)).flatten(0,1); dwt=(want-want.mean(1,keepdim=True)).flatten(0,1)
    L['diff']=DW*bands_away(dg,dwt)
    own=image[R]; rows_num=TR.still_there(num,big(1-rown[:,:1]),kept*seen[R])
    shares=F.avg_pool2d(rown*kept,P_).flatten(2).transpose(1,2).gather(1,st.glimpse.order[R,:,None].expand(-1,-1,3))
    L['clip']=contrastive_loss(own,rtx,torch.where((torch.arange(NR)%2==0)[:,None],comp,loose),st.scale)
    L['attribute']=3*attribute_loss(st.heads.logits(own@prompts.T),rows_num)
    L['token']=1.5*token_loss(st.heads.token(patches[R].float()),shares,rows_num)
    chs=torch.cat([rtx[:,None],ht.view(NR,4,-1)],1); lg=20*(chs@own[...,None])[...,0]; okk=ok&(rows_num[:,1]>=0)&(torch.arange(NR)%2==0)
    if okk.any(): L['things']=2*F.cross_entropy(lg[okk],torch.zeros(int(okk.sum()),dtype=torch.long))
    for q in ('clip','attribute','token','things'):
        if q in L: L[q]=(RW if p<.75 else RWEND)*L[q]
    return L
t0=time.process_time(); step=0; log=open(f'{name}.log','a'); acc={}; used=0.
if RESUME:
    s=torch.load(RESUME,weights_only=True); st.model.load_state_dict(s['model']); st.heads.load_state_dict(s['heads']); opt.load_state_dict(s['opt']); run.mean=s['mean']; step=s['step']; t0-=s['used']
def keep():
    torch.save({'model':st.model.state_dict(),'heads':st.heads.state_dict(),'opt':opt.state_dict(),'mean':run.mean,'step':step,'used':time.process_time()-t0},f'{name}.tmp'); os.replace(f'{name}.tmp',f'{name}.pt')
    TR.save(run.averaged(),plan,TR.Path(f'm-{name}'))
while True:
    p=(time.process_time()-t0)/(minutes*60)
    if p>=1: break
    f=min(1,(step+1)/60,(1-p)/FALL)
    for gr in opt.param_groups: gr['lr']=LR*f
    L=losses(step,p); loss=sum(L.values()); opt.zero_grad()
    if mu:
        for q in mu.p: q.grad=None
    loss.backward(); size=torch.nn.utils.clip_grad_norm_(run.weights,1.0)
    if not (loss.isfinite() and size.isfinite()): print('nan',step,file=log,flush=True); step+=1; continue
    opt.step()
    if mu: mu.step(mu.lr*f)
    step+=1; fade=min(.998,(1+step)/(10+step))
    for nm,v in st.model.state_dict().items():
        if v.is_floating_point(): run.mean[nm].lerp_(v,1-fade)
        else: run.mean[nm].copy_(v)
    for q,v in L.items(): acc[q]=acc.get(q,0)+v.item()
    if step%25==0:
        print(name,step,f'{(time.process_time()-t0)/60:.1f}min',{q:round(v/25,3) for q,v in acc.items()},file=log,flush=True); acc={}
    if step%200==0: keep()
keep()
