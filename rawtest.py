import sys; sys.path.insert(0,"/work/build")
import torch; torch.set_num_threads(1)
from plans import *
from pathlib import Path
from dreamlab.precision import Precision
run=Run(replace(DREAMER,seen=.5),torch.device("cpu"),Precision("float32",1,"cpu"))
k=torch.load(sys.argv[1],weights_only=True)
for a,v in k["mean"].items(): run.mean[a].copy_(v)
out=Path("/work/build/D-model"); save(run.averaged(),DREAMER,out)
from dreamlab import Dream, Recipe, load_clip, Judge
from dreamlab.measure.judge import out_of_range_share, spectrum_slope
from dreamlab.picturebook.probe import drawn, probe_scenes
from dreamlab.picturebook.world import caption
P=json.loads(Path("/work/build/p25.json").read_text())[:12]
J=Judge(load_clip("local-dir:/work/build/J-model",device="cpu")); O=Judge()
from torchvision.utils import save_image
rows=[]
for name,clip in (("new",load_clip(f"local-dir:{out}",device="cpu")),("old",load_clip("picturebook",device="cpu"))):
    sc=[s for s in probe_scenes(1)]; caps=[caption(s) for s in sc]
    with torch.no_grad(): print(name,"drawings",(clip.encode_image(drawn(sc,size=64))*clip.encode_text(caps)).sum(1).mean().item())
    d=Dream(clip,P,recipe=Recipe.raw(size=64,steps=150),seed=1); d.run()
    with torch.no_grad(): me=(clip.encode_image(d.pixels)*clip.encode_text(P)).sum(1).mean().item()
    say={}
    for n,j in (("newJ",J),("oldJ",O)):
        j_sim=j.similarity(d.pixels.clamp(0,1),P); say[n]=(round(j_sim.diagonal().mean().item(),3), (j_sim.argmax(1)==torch.arange(12)).float().mean().item(), [x.rank==0 for x in j.things(d)].count(True) if n=="newJ" else None)
    print(name,"raw: dreamer",round(me,3),say,"slope",spectrum_slope(d.pixels).mean().item(),"out",out_of_range_share(d.pixels).mean().item(),flush=True)
    rows.append(d.pixels.clamp(0,1))
save_image(torch.cat(rows),"/work/build/raw.png",nrow=12)
