"""cosines.py CKPT: how alike captions are that differ in the thing alone."""
import sys; sys.path.insert(0,"/work/build")
import torch; torch.set_num_threads(1)
from plans import *
from dreamlab.precision import Precision
run=Run(replace(DREAMER,seen=.5),torch.device("cpu"),Precision("float32",1,"cpu"))
k=torch.load(sys.argv[1],weights_only=True)
from dreamlab.picturebook.world import variants
from dreamlab.picturebook.scenes import tokens
from pathlib import Path
P=json.loads(Path("/work/build/p25.json").read_text())[:12]
for which in ("model","mean"):
    run.student.model.load_state_dict(k[which]); 
    with torch.no_grad():
        c=[]
        for p in P:
            t=run.student.text(tokens(list(variants(p).values()))); s=t@t.T; c.append(s[~torch.eye(25,dtype=bool)])
        c=torch.stack(c); print(which,k["step"],"cos",c.mean().item(),"max",c.max(1).values.mean().item())
