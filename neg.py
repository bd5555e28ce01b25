import sys,time,json; sys.path.insert(0,"/work/build")
import torch; torch.set_num_threads(1)
from pathlib import Path
from dreamlab import Dream, Recipe, load_clip, Judge
from dreamlab.picturebook.world import variants, thing_in
import dreamlab.views as V
import torch.nn.functional as F
clip=load_clip("local-dir:/work/build/D-model",device="cpu")
P=json.loads(Path("/work/build/p25.json").read_text())[:12]
J=Judge(load_clip("local-dir:/work/build/J-model",device="cpu"))
from PIL import Image
V.SCALES["middle"]=(.75,1.0)
N=[p.replace(thing_in(p),"thing").replace("an thing","a thing") for p in P]
for p,n in zip(P,N):
    m=F.normalize(clip.encode_text(list(variants(p).values())).mean(0),dim=-1); t=clip.encode_text([p,n]); print(n, "cos(neg, mean)",round((t[1]@m).item(),3),"cos(t, mean)",round((t[0]@m).item(),3))
W=Image.new("RGB",(1200,100),"white")
kw=dict(size=64,steps=60,views=4,view_mix=(0,1,0),view_noise=.2,optimizer="gradient",learning_rate=.025,tv_weight=0.0,octaves=(1.0,),negative_weight=float(sys.argv[1]))
d=Dream(clip,P,negative_prompt=N,recipe=Recipe(**kw),seed=1); d.run(); said=J.things(d)
print("object",[x.rank==0 for x in said].count(True),"mean rank",sum(x.rank for x in said)/12,"judge cos",round(J.score(d).mean().item(),3))
for i,im in enumerate(d.images): W.paste(im.resize((98,98),Image.BICUBIC),(i*100,0))
W.save("t7.png")
