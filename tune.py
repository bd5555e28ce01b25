"""tune.py CHECKPOINT OUT.png VARIANT...: rows of the first 12 dreams; a variant is 'low,high;knob=value;…'"""
import sys; sys.path.insert(0,"/work/build")
import torch; torch.set_num_threads(int(__import__("os").environ.get("OMP_NUM_THREADS","1")))
from plans import *
from pathlib import Path
from dreamlab.precision import Precision
if __name__=="__main__":
    run=Run(replace(DREAMER,seen=.5),torch.device("cpu"),Precision("float32",1,"cpu"))
    k=torch.load(sys.argv[1],weights_only=True)
    for a,v in k["mean"].items(): run.mean[a].copy_(v)
    out=Path("/work/build/D-model"); save(run.averaged(),DREAMER,out)
    from dreamlab import Dream, Recipe, load_clip, Judge
    import dreamlab.views as V
    clip=load_clip(f"local-dir:{out}",device="cpu")
    N=12
    P=json.loads(Path("/work/build/p25.json").read_text())[:N]
    J=Judge(load_clip("local-dir:/work/build/J-model",device="cpu"))
    from PIL import Image
    W=Image.new("RGB",(N*100,100*len(sys.argv[3:])),"white")
    for row,a in enumerate(sys.argv[3:]):
        sc,*rest=a.split(";"); lo,hi=map(float,sc.split(",")); V.SCALES["middle"]=(lo,hi)
        kw=dict(size=96,steps=60,views=4,view_mix=(0,1,0),view_noise=.2,optimizer="gradient",learning_rate=.025,tv_weight=0.0,octaves=(.75,1.0))
        for x in rest:
            n,v=x.split("="); kw[n]=eval(v)
        t=time.process_time()
        d=Dream(clip,P,recipe=Recipe(**kw),seed=1); d.run()
        t=time.process_time()-t
        try: obj=[x.rank==0 for x in J.things(d)].count(True)
        except Exception as e: obj=repr(e)[:80]
        print(a,"object",obj,"judge cos",round(J.score(d).mean().item(),3),"own loss",round(d.history[-1].clip_loss if isinstance(d.history[-1].clip_loss,float) else float(d.history[-1].clip_loss.mean()),3),f"{t:.0f} s",flush=True)
        for i,im in enumerate(d.images): W.paste(im.resize((98,98),Image.BICUBIC),(i*100,row*100))
        W.save(sys.argv[2])
