"""dream.py CHECKPOINT OUT.png [key=value ...]: 25 dreams, one per object."""
import sys; sys.path.insert(0,"/work/build")
import torch; torch.set_num_threads(1)
from plans import *
from pathlib import Path
from dreamlab.precision import Precision
if __name__=="__main__":
    run=Run(replace(DREAMER,seen=.5),torch.device("cpu"),Precision("float32",1,"cpu"))
    k=torch.load(sys.argv[1],weights_only=True)
    for a,v in k["mean"].items(): run.mean[a].copy_(v)
    out=Path("/work/build/D-model"); save(run.averaged(),DREAMER,out)
    from dreamlab import Dream, Recipe, load_clip, Judge
    from dreamlab.measure import blind
    clip=load_clip(f"local-dir:{out}")
    P=json.loads(Path("/work/build/p25.json").read_text())
    kw=dict(size=96,steps=60,views=4,view_mix=(0,1,0),view_noise=.2,optimizer="gradient",learning_rate=.025,tv_weight=0.0,octaves=(.75,1.0))
    for a in sys.argv[3:]:
        n,v=a.split("="); kw[n]=eval(v)
    t=time.time()
    ims=[]
    d=Dream(clip,P,recipe=Recipe(**kw),seed=1); d.run(); ims=d.images
    print(time.time()-t,"s")
    J=Judge()
    try: print("object rank1:",[a.rank==0 for a in J.things(d)].count(True))
    except Exception as e: print(repr(e)[:200])
    from PIL import Image
    W=Image.new("RGB",(5*196,5*196),"white")
    for i,im in enumerate(ims): W.paste(im.resize((192,192),Image.BICUBIC),((i%5)*196,(i//5)*196))
    W.save(sys.argv[2])
