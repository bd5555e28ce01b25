import sys; sys.path.insert(0,"/work/build")
import torch; torch.set_num_threads(1)
from plans import *
from pathlib import Path
from dreamlab.precision import Precision
run=Run(replace(DREAMER,seen=.5),torch.device("cpu"),Precision("float32",1,"cpu"))
k=torch.load("/work/build/dreamer-mean.pt",weights_only=True)
for a,v in k["mean"].items(): run.mean[a].copy_(v)
out=Path("/work/build/D-model"); save(run.averaged(),DREAMER,out)
from dreamlab import Dream, Recipe, load_clip
clip=load_clip(f"local-dir:{out}") if True else None
P=["a red heart in the sky","a yellow star at night","a green tree on a meadow","a white boat at sea","a grey castle in the mountains","a blue fish at sea","a red mushroom on a meadow","a yellow moon at night"]
r=Recipe(size=96,steps=60,views=4,view_mix=(0,1,0),view_noise=.2,optimizer="gradient",learning_rate=.025,tv_weight=0.0,octaves=(.75,1.0))
d=Dream(clip,P,recipe=r,seed=1); d.run()
from PIL import Image
W=Image.new("RGB",(4*196,2*196),"white")
for i,im in enumerate(d.images): W.paste(im.resize((192,192)),((i%4)*196,(i//4)*196))
W.save("/work/build/d12.png")
