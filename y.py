"""How quickly can a tower learn the gradient of canonical drawings at grey? args: name minutes; env P W L EMB HW INIT LR MUON SHARE"""
import sys, time, os
import numpy as np, torch, torch.nn.functional as F
from dataclasses import replace
torch.set_num_threads(int(os.environ.get('T','1')))
from dreamlab.picturebook import train as TR
from dreamlab.picturebook.objectives import *
from dreamlab.picturebook.objectives import _bands
from dreamlab.picturebook.train import _uniform
from open_clip.model import CLIP
from torch.nn.attention import SDPBackend, sdpa_kernel
env=lambda k,d:type(d)(os.environ.get(k,d))
name, minutes = sys.argv[1], float(sys.argv[2])
LR=env('LR',1e-3); EMB=env('EMB',160); P_=env('P',8); W_=env('W',192); L_=env('L',4); HW=env('HW',48); INIT=env('INIT','scratch'); MUON=env('MUON',0); SHARE=env('SHARE',1.0); TIMM=env('TIMM','')
GP,K=env('GP',8),env('K',5); POOL=env('POOL','avg'); NOLN=env('NOLN',0); MR=env('MR',4.0)
z=np.load('can.npz'); CP,CL,CT=z['P'],z['L'],z['T']; NC=len(CP)
plan=TR.PLANS['picturebook']
from dreamlab.picturebook.scenes import vocabulary
v={'image_size':64,'patch_size':P_,'width':W_,'layers':L_,'head_width':HW,'pool_type':POOL,'output_tokens':False,'no_ln_pre':bool(NOLN),'mlp_ratio':MR}
if TIMM: v={'image_size':64,'timm_model_name':TIMM,'timm_model_pretrained':False,'timm_pool':'avg','timm_proj':'linear'}
torch.manual_seed(11); m=CLIP(EMB,v,{**plan.text_cfg,'vocab_size':len(vocabulary())})
W=TR.embedded_weights(TR.MODELS/'picturebook')
if INIT!='full': W={k:w for k,w in W.items() if not k.startswith('visual')}
if EMB!=160:
    W.pop('text_projection')
    if INIT=='full': o=W.pop('visual.proj')
m.load_state_dict(W,strict=False)
params=list(m.parameters()); n=sum(p.numel() for k,p in m.named_parameters() if k.startswith('visual'))
class Muon:
    def __init__(s,params,lr): s.p=params; s.m=[torch.zeros_like(q) for q in params]; s.lr=lr
    @torch.no_grad()
    def step(s,rate):
        for q,mm in zip(s.p,s.m):
            if q.grad is None: continue
            mm.mul_(.95).add_(q.grad); u=q.grad.add(mm,alpha=.95)
            parts=u.chunk(3,0) if q.shape[0]==3*q.shape[1] else [u]; out=[]
            for x in parts:
                t=x.shape[0]>x.shape[1]; y=(x.T if t else x); y=y/(y.norm()+1e-7)
                for _ in range(5):
                    a=y@y.T; y=3.4445*y+(-4.7750*a+2.0315*a@a)@y
                y=y.T if t else y; out.append(y*max(1,x.shape[0]/x.shape[1])**.5)
            q.mul_(1-rate*.02).add_(torch.cat(out,0),alpha=-rate)
mu=None
if MUON:
    hid=[p for k,p in m.named_parameters() if p.ndim==2 and ('resblocks' in k or 'blocks' in k)]; ids={id(p) for p in hid}
    mu=Muon(hid,env('MULR',.02)); rest=[p for p in params if id(p) not in ids]
else: rest=params
opt=torch.optim.AdamW([{'params':[p for p in rest if p.ndim>=2],'weight_decay':.02},{'params':[p for p in rest if p.ndim<2],'weight_decay':0}],lr=LR,betas=(.9,.98),eps=1e-6)
pic=lambda x:torch.from_numpy(x).permute(0,3,1,2).float()/255
own3=lambda x:F.one_hot(torch.from_numpy(x).long(),3).permute(0,3,1,2).float()
tok=lambda x:torch.from_numpy(x.astype(np.int64))
full=lambda x:F.interpolate(x,size=(64,64),mode='bilinear',antialias=True)
away=lambda a,c:(1-F.cosine_similarity(a.flatten(1),c.flatten(1),eps=1e-9)).mean()
def bands_away(a,c):
    d=away(a,c)
    for u,w in list(zip(_bands(a,3),_bands(c,3)))[1:]: d=d+away(u,w)/2
    return d
big=lambda x:F.max_pool2d(x,5,1,2); lp=lambda a:F.avg_pool2d(a,4)
t0=time.process_time(); step=0; log=open(f'y-{name}.log','w'); acc={}
print(name,'visual params',n,file=log,flush=True)
while True:
    p=(time.process_time()-t0)/(minutes*60)
    if p>=1: break
    f=min(1,(step+1)/60,(1-p)/.5)
    for gr in opt.param_groups: gr['lr']=LR*f
    g=torch.Generator().manual_seed(9_000_000+step); rng=np.random.default_rng([79,step])
    gk=rng.integers(NC,size=GP); ga=np.stack([rng.choice(25,K,replace=False) for _ in range(GP)])
    gx=full(pic(CP[gk[:,None],ga].reshape(GP*K,80,80,3))); go=F.interpolate(own3(CL[gk[:,None],ga].reshape(GP*K,20,20)),size=(64,64)); gt=tok(CT[gk[:,None],ga]).flatten(0,1)
    flat=torch.full((GP,3,64,64),.5); bl=.5+.15*F.interpolate(torch.randn(GP,3,8,8,generator=g),size=(64,64),mode='bicubic')*_uniform(0,1,(GP,1,1,1),g,flat)
    gp=torch.where(_uniform(0,1,(GP,1,1,1),g,flat)<.6,flat,bl)
    # a quarter shows the mean of its drawings at some contrast: what the first steps of a dream make
    mean=gx.view(GP,K,3,64,64).mean(1); kp=_uniform(0,.6,(GP,1,1,1),g,flat)*(_uniform(0,1,(GP,1,1,1),g,flat)<.5); gp=gp*(1-kp)+kp*mean
    gp=gp+torch.randn(gp.shape,generator=g)*_uniform(0,.2,(GP,1,1,1),g,flat)
    pict=gp.repeat_interleave(K,0).requires_grad_()
    with sdpa_kernel(SDPBackend.MATH): image=F.normalize(m.visual((pict-.5)/.25),dim=-1)
    with sdpa_kernel(SDPBackend.MATH): text=F.normalize(m.encode_text(gt),dim=-1)
    (gr,)=torch.autograd.grad((image*text).sum(),pict,create_graph=True)
    want=gx-pict.detach(); L={'align':alignment_loss(gr,want,big(1-go[:,:1]))}
    gg=gr.view(GP,K,3,64,64); ww=want.view(GP,K,3,64,64)
    dg=(gg-gg.mean(1,keepdim=True)).flatten(0,1); dw=(ww-ww.mean(1,keepdim=True)).flatten(0,1)
    L['diff']=bands_away(dg,dw)
    loss=L['align']+L['diff']; opt.zero_grad()
    if mu:
        for q in mu.p: q.grad=None
    loss.backward(); size=torch.nn.utils.clip_grad_norm_(params,1.0)
    if not (loss.isfinite() and size.isfinite()): step+=1; print('nan',file=log,flush=True); continue
    opt.step()
    if mu: mu.step(mu.lr*f)
    step+=1
    with torch.no_grad(): L['lpdiff']=F.cosine_similarity(lp(dg).flatten(1),lp(dw).flatten(1)).mean(); L['lpwhole']=F.cosine_similarity(lp(gr).flatten(1),lp(want).flatten(1)).mean()
    for q,w in L.items(): acc[q]=acc.get(q,0)+w.item()
    if step%25==0: print(name,step,f'{(time.process_time()-t0)/60:.1f}min',{q:round(w/25,3) for q,w in acc.items()},file=log,flush=True); acc={}
torch.save(m.state_dict(),f'y-{name}.pt')
