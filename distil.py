"""distil.py CKPT OUTDIR W STEPS: the text tower learns to say t + W (t - mean of its variants)."""
import sys,time; sys.path.insert(0,"/work/build")
import torch,copy; torch.set_num_threads(2)
import torch.nn.functional as F
from plans import *
from pathlib import Path
from dreamlab.precision import Precision
from dreamlab.picturebook.world import variants, scene_number, caption, ATTRIBUTES
from dreamlab.picturebook.scenes import tokens
run=Run(replace(DREAMER,seen=.5),torch.device("cpu"),Precision("float32",1,"cpu"))
k=torch.load(sys.argv[1],weights_only=True)
for a,v in k["mean"].items(): run.mean[a].copy_(v)
teacher=run.averaged().eval(); student=copy.deepcopy(teacher)
W=float(sys.argv[3]); steps=int(sys.argv[4])
for p in student.parameters(): p.requires_grad_(False)
ps=[p for n,p in student.named_parameters() if not n.startswith("visual") and n!="logit_scale"]
for p in ps: p.requires_grad_(True)
opt=torch.optim.AdamW(ps,lr=1e-3,betas=(.9,.98),weight_decay=0)
enc=lambda m,t: F.normalize(m.encode_text(t),dim=-1)
prompts=tokens([t for v in ATTRIBUTES.values() for t in v.values()])
t0=time.time()
for s in range(steps):
    for g in opt.param_groups: g["lr"]=1e-3*min(1,(s+1)/20,(steps-s)/(.5*steps))
    rng=np.random.default_rng([3,s]); lists=[]; plain=[]
    while len(lists)<12:
        sc=scene_number(11,int(rng.integers(10**6))); v=variants(caption(sc)); plain.append(caption(sc,rng))
        if v and len(v)==25: lists.append(tokens(list(v.values())))
    words=torch.cat(lists); keep=torch.cat([tokens(plain),prompts])
    with torch.no_grad():
        T=enc(teacher,words).view(len(lists),25,-1); m=T.mean(1,keepdim=True)
        want=F.normalize(T+W*(T-m),dim=-1).flatten(0,1); K=enc(teacher,keep)
    got=enc(student,words); loss=(got-want).square().sum(-1).mean(); stay=(enc(student,keep)-K).square().sum(-1).mean()
    opt.zero_grad(); (loss+.3*stay).backward(); opt.step()
    if s%50==0 or s==steps-1: print(s,f"guided {loss.item():.4f} stay {stay.item():.4f} {time.time()-t0:.0f} s",flush=True)
save(student,DREAMER,Path(sys.argv[2]))
