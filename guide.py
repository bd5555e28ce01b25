"""guide.py CKPT OUT W...: dreams whose sentence is pushed away from the mean of its 25 variants."""
import sys,time,json; sys.path.insert(0,"/work/build")
import torch; torch.set_num_threads(1)
from plans import *
from pathlib import Path
from dreamlab.precision import Precision
import torch.nn.functional as F
if __name__=="__main__":
    run=Run(replace(DREAMER,seen=.5),torch.device("cpu"),Precision("float32",1,"cpu"))
    k=torch.load(sys.argv[1],weights_only=True)
    for a,v in k["mean"].items(): run.mean[a].copy_(v)
    out=Path("/work/build/D-model"); save(run.averaged(),DREAMER,out)
    from dreamlab import Dream, Recipe, load_clip, Judge
    from dreamlab.picturebook.world import variants
    import dreamlab.views as V
    clip=load_clip(f"local-dir:{out}",device="cpu")
    P=json.loads(Path("/work/build/p25.json").read_text())[:12]
    J=Judge(load_clip("local-dir:/work/build/J-model",device="cpu"))
    from PIL import Image
    A=sys.argv[3:]; W=Image.new("RGB",(1200,100*len(A)),"white")
    old=type(clip).encode_text
    V.SCALES["middle"]=(.75,1.0)
    for row,a in enumerate(A):
        w,*rest=a.split(";"); w=float(w)
        kw=dict(size=64,steps=60,views=4,view_mix=(0,1,0),view_noise=.2,optimizer="gradient",learning_rate=.025,tv_weight=0.0,octaves=(1.0,))
        for x in rest:
            n,v=x.split("="); kw[n]=eval(v)
        def enc(self,texts,*b,**c):
            t=old(self,texts,*b,**c)
            if isinstance(texts,str): texts=[texts]
            o=[]
            for i,s in enumerate(texts):
                m=old(self,list(variants(s).values())).mean(0)
                o.append(F.normalize(t[i]+w*(t[i]-m),dim=-1))
            return torch.stack(o)
        type(clip).encode_text=enc if w else old
        t0=time.process_time()
        d=Dream(clip,P,recipe=Recipe(**kw),seed=1); d.run()
        said=J.things(d)
        print(a,"object",[x.rank==0 for x in said].count(True),"mean rank",sum(x.rank for x in said)/12,"judge cos",round(J.score(d).mean().item(),3),f"{time.process_time()-t0:.0f} s",flush=True)
        for i,im in enumerate(d.images): W.paste(im.resize((98,98),Image.BICUBIC),(i*100,row*100))
        W.save(sys.argv[2])
