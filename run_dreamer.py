"""Trains the dreamer of plans.DREAMER; goes on from /work/build/D.pt; begins with 12,000 scenes until 60,000 are painted."""
import sys,time,torch,os,json
sys.path.insert(0,"/work/build")
T=int(os.environ.get("T","1")); torch.set_num_threads(T)
from plans import *
from dreamlab.precision import Precision
from dreamlab.files import write_atomically
from pathlib import Path
B=Path("/work/build")
def load(folder,n): return {k:np.load(folder/f"{k}.npy",mmap_mode="r") for k in ("pictures","labels","tokens","attributes")}
if __name__=="__main__":
    plan=replace(DREAMER,seen=.5,dreamt=.34,steps=int(sys.argv[1]),all_seen=float(sys.argv[2]))
    small=B/"trial/scenes-11-12000"; big=B/"picturebook/scenes-11-60000"
    def data_now():
        if (big/"done").exists(): return load(big,60000),60000
        return load(small,12000),12000
    data,n=data_now()
    run=Run(plan,torch.device("cpu"),Precision("float32",1,"cpu"))
    ck=B/"D.pt"
    if ck.exists(): st=torch.load(ck,weights_only=True); st["optimizer"]=st.pop("optimizers")[0] if "optimizers" in st else st["optimizer"]; st.setdefault("dreams",{}); run.restore(st); print("resumed",run.step,flush=True)
    t0=time.time(); last=t0; acc={}; k=0; s0=run.step
    while run.step<plan.steps:
        run.plan=run.student.plan=replace(plan,scenes=n)
        l=run.advance(data); k+=1
        for a,v in l.items(): acc[a]=acc.get(a,0)+v
        if run.step%50==0:
            print(time.strftime("%H:%M:%S"),run.step,run.step*plan.batch,n,{a:round(v/k,3) for a,v in acc.items()},f"{(run.step-s0)*plan.batch/(time.time()-t0):.1f} img/s",flush=True); acc={};k=0
            if n==12000: data,n=data_now()
        if time.time()-last>120:
            write_atomically(ck,lambda f: torch.save(run.state(),f)); last=time.time()
