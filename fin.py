"""fin.py [ckpt=PATH] out=PNG n=24 [w=0] VARIANT...: recipes on captions of another seed than the ablation's; 'low,high;knob=value;…'"""
import sys,time; sys.path.insert(0,"/work/build")
import torch; torch.set_num_threads(1)
from plans import *
from pathlib import Path
from itertools import islice
from dreamlab.precision import Precision
import torch.nn.functional as F
opts=dict(a.split("=",1) for a in sys.argv[1:] if a.split("=")[0] in("ckpt","out","n","which","seed","dir")); V_=[a for a in sys.argv[1:] if a.split("=")[0] not in("ckpt","out","n","which","seed","dir")]
out=Path(opts.get("dir","/work/build/D-model"))
if "ckpt" in opts:
    run=Run(replace(DREAMER,seen=.5),torch.device("cpu"),Precision("float32",1,"cpu"))
    k=torch.load(opts["ckpt"],weights_only=True)
    for a,v in k[opts.get("which","mean")].items(): run.mean[a].copy_(v)
    save(run.averaged(),DREAMER,out)
from dreamlab import Dream, Recipe, load_clip, Judge
from dreamlab.measure.judge import measure
from dreamlab.measure.ablation import scenes
from dreamlab.picturebook.world import caption, variants
import dreamlab.views as V
clip=load_clip(f"local-dir:{out}",device="cpu"); J=Judge(load_clip("local-dir:/work/build/J-model",device="cpu"))
N=int(opts.get("n",24)); S=list(islice(scenes(int(opts.get("seed",7))),4+N+60))[4:]; C=[caption(s) for s in S]; P=C[:N]
from PIL import Image
W=Image.new("RGB",(16*100,100*len(V_)),"white"); old=type(clip).encode_text
for row,a in enumerate(V_):
    sc,*rest=a.split(";"); lo,hi=map(float,sc.split(",")); V.SCALES["middle"]=(lo,hi)
    kw=dict(size=64,steps=60,views=4,view_mix=(0,1,0),view_noise=.2,optimizer="gradient",learning_rate=.025,tv_weight=0.0,octaves=(1.0,)); w=0
    for x in rest:
        n,v=x.split("=")
        if n=="w": w=float(v)
        else: kw[n]=eval(v)
    def enc(self,texts,*b,**c):
        t=old(self,texts,*b,**c)
        if isinstance(texts,str): texts=[texts]
        o=[]
        for i,s in enumerate(texts):
            vs=variants(s)
            m=old(self,list(vs.values())).mean(0) if vs else t[i]
            o.append(F.normalize(t[i]+w*(t[i]-m),dim=-1))
        return torch.stack(o)
    t0=time.process_time()
    if w: type(clip).encode_text=enc
    d=Dream(clip,P,recipe=Recipe(**kw),seed=1); d.run(); type(clip).encode_text=old
    t0=time.process_time()-t0
    m=measure(d,P,clip=clip,judge=J,distractors=C[N:]); q=lambda k: sum(r[k] for r in m)/len(m)
    obj=[r["object_rank"] for r in m if "object_rank" in r]
    print(a,f"object {sum(r==0 for r in obj)}/{len(obj)} rank {sum(obj)/len(obj):.1f}  R-prec {sum(r['rank']==0 for r in m)}/{N}  judge {q('judge'):.3f} own {q('dreamer'):.3f} slope {q('slope'):.2f} clipped {q('clipped'):.2f} {t0/N:.1f} s",flush=True)
    for i,im in enumerate(d.images[:16]): W.paste(im.resize((98,98),Image.BICUBIC),(i*100,row*100))
    W.save(opts.get("out","/work/build/fin.png"))
