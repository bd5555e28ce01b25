"""Fine-tunes the committed judge for shape; goes on from /work/build/J.pt."""
import sys,time,torch
torch.set_num_threads(1)
sys.path.insert(0,"/work/build")
from plans import *
from dreamlab.precision import Precision
from dreamlab.files import write_atomically
from dreamlab.clip import load_clip
from safetensors.torch import load_file
B=Path("/work/build")
def committed(model):
    s={k:v.float() if v.is_floating_point() else v for k,v in load_file(MODELS/"picturebook-judge"/"open_clip_model.safetensors").items()}
    s["token_embedding.weight"]=s["token_embedding.weight"][torch.from_numpy(vocabulary())]
    model.load_state_dict(s)
if __name__=="__main__":
    plan=replace(PLANS["picturebook-judge"],seed=22,scenes=24000,steps=int(sys.argv[1]),learning_rate=float(sys.argv[2]),cooling=.5)
    data=paintings(22,24000,True,B/"picturebook",1)
    run=Run(plan,torch.device("cpu"),Precision("float32",1,"cpu"))
    ck=B/"J.pt"
    if ck.exists(): st=torch.load(ck,weights_only=True); st.setdefault("dreams",{}); run.restore(st); print("resumed",run.step)
    else:
        committed(run.student.model)
        for k,v in run.student.model.state_dict().items(): run.mean[k].copy_(v)
    t0=time.time(); last=t0; acc={}; k=0; s0=run.step
    while run.step<plan.steps:
        l=run.advance(data); k+=1
        for a,v in l.items(): acc[a]=acc.get(a,0)+v
        if run.step%50==0:
            print(time.strftime("%H:%M:%S"),run.step,{a:round(v/k,3) for a,v in acc.items()},f"{(time.time()-t0)/(run.step-s0):.2f} s/step",flush=True); acc={};k=0
        if time.time()-last>120:
            write_atomically(ck,lambda f: torch.save(run.state(),f)); last=time.time()
    torch.save(run.state(),ck)
    save(run.averaged(),plan,B/"J-model")
