"""The dreamer on two cores: run_two.py RANK STEPS ALL_SEEN COOLING. Each rank draws its own 64 scenes; gradients are averaged."""
import sys,time,torch,os
sys.path.insert(0,"/work/build"); torch.set_num_threads(1)
import torch.distributed as dist
from torch import nn
from plans import *
from dreamlab.precision import Precision
from dreamlab.files import write_atomically
from pathlib import Path
B=Path("/work/build")
rank=int(sys.argv[1]); steps=int(sys.argv[2]); all_seen=float(sys.argv[3]); cooling=float(sys.argv[4])
class Two(Run):
    def losses(self,data,step):
        """Beside all else: captions that differ in the thing alone must differ (cosine at most .5)."""
        L=super().losses(data,step)
        if self.step%2: return L
        batch,_=load_batch(data,self.plan,step,self.student.device)
        few=16; w=(step//2)%(FALSE-1)
        t=self.student.text(torch.cat([batch.complete[:few],batch.false[:few,w:w+2].flatten(0,1)]))
        own,other=t[:few],t[few:].view(few,2,-1)
        far=torch.cat([(own[:,None]-other).square().sum(-1).flatten(),(other[:,0]-other[:,1]).square().sum(-1)])
        L["apart"]=6*torch.relu(1-(far+1e-8).sqrt()).mean()
        return L
    def advance(self,data):
        for g in self.optimizer.param_groups: g["lr"]=self.plan.learning_rate_at(self.step)
        losses=self.losses(data,self.step); loss=sum(losses.values())
        self.optimizer.zero_grad(); loss.backward()
        flat=torch.cat([(w.grad if w.grad is not None else torch.zeros_like(w)).flatten() for w in self.weights])
        dist.all_reduce(flat); flat/=2; i=0
        for w in self.weights:
            w.grad=flat[i:i+w.numel()].view_as(w); i+=w.numel()
        size=nn.utils.clip_grad_norm_(self.weights,1.0)
        if not size.isfinite(): raise FloatingPointError(str(self.step))
        self.optimizer.step()
        fade=min(0.999,(1+self.step)/(10+self.step))
        for n,v in self.student.model.state_dict().items():
            if v.is_floating_point(): self.mean[n].lerp_(v,1-fade)
            else: self.mean[n].copy_(v)
        self.step+=1
        return {n:l.item() for n,l in losses.items()}
if __name__=="__main__":
    dist.init_process_group("gloo",init_method="file:///work/build/two.sync",rank=rank,world_size=2)
    plan=replace(DREAMER,seen=.5,dreamt=.34,steps=steps,learning_rate=float(os.environ.get("LR","1.2e-3")),all_seen=all_seen,cooling=cooling,scenes=60000)
    big=B/"picturebook/scenes-11-60000"
    data={k:np.load(big/f"{k}.npy",mmap_mode="r") for k in ("pictures","labels","tokens","attributes")}
    run=Two(plan,torch.device("cpu"),Precision("float32",1,"cpu"))
    st=torch.load(B/"D.pt",weights_only=True); run.restore(st)
    seen=st.get("pictures",run.step*64)
    run.plan=run.student.plan=replace(plan,seed=11+7919*rank)
    if rank:
        own=B/"D1-dreams.pt"
        run.student.dreams.rows=torch.load(own,weights_only=True) if own.exists() else {}
    if not rank: print("resumed",run.step,seen,"two cores",sys.argv[2:],flush=True)
    t0=last=time.time(); acc={}; k=0; s0=run.step
    while run.step<plan.steps:
        l=run.advance(data); k+=1; seen+=128
        for a,v in l.items(): acc[a]=acc.get(a,0)+v
        if run.step%25==0 and not rank:
            print(time.strftime("%H:%M:%S"),run.step,seen,f"lr {plan.learning_rate_at(run.step):.2e}",{a:round(v/k,3) for a,v in acc.items()},f"{(run.step-s0)*128/(time.time()-t0):.1f} img/s",flush=True); acc={};k=0
        stop=torch.tensor([float(time.time()-last>120 or run.step==plan.steps)]); dist.broadcast(stop,0)
        if stop.item():
            if rank: write_atomically(B/"D1-dreams.pt",lambda f: torch.save(run.student.dreams.rows,f))
            else: write_atomically(B/"D.pt",lambda f: torch.save(run.state()|{"pictures":seen},f))
            last=time.time()
    dist.barrier()
